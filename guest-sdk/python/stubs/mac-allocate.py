def mac_allocate(
    ctx: reeve.Context, domain: reeve.DomainConfig, interface: int, taken: List[str], seed: int
) -> str:
    """A MAC address for interface `interface` (from 0) of `domain`, not among `taken`; `seed` is random."""
    for number in ((seed + step) & 0xFFFFFF for step in range(0x1000000)):
        mac = f"52:54:00:{number >> 16:02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"
        if mac not in taken:
            return mac
    raise reeve.Failure("every address of 52:54:00 is taken")
