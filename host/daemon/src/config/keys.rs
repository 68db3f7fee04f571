//! What every key of `reeve.toml` is for: the text operators read, in the order of the printed document.

/// Keys with their meaning. A key without a dot comes first: TOML wants tables last.
pub(super) const KEYS: &[(&str, &str)] = &[
    (
        "log",
        "What is logged, to standard error: error, warn, info, debug or trace, or directives such as
         \"info,reeve_domain=debug\". The environment variable RUST_LOG goes before it.",
    ),
    ("log-format", "Shape of log lines: \"text\" for people, \"json\" for programs. Read at start only."),
    (
        "access.group",
        "Members of this group may do everything over the API socket, beside root and the daemon's own user.
         Empty: nobody else.",
    ),
    ("access.others-read", "Everybody else on this machine may list and look (not: consoles, changes)."),
    ("events.kept", "How many events are kept for listeners that come late or come back. Read at start only."),
    ("domains.autostart", "Start domains that are marked for it when the daemon starts."),
    ("domains.sim-speed", "How many times faster than the wall the clock of simulated domains runs. Read at start only."),
    (
        "domains.auto-dump-path",
        "Directory of cores that nobody asked for: of guests that crash with a coredump action, and of those whose watchdog
         dumps them. Empty: DIR/var/lib/reeve/dump. Read at start only.",
    ),
    (
        "migration.listen",
        "IP address, with a port unless it is 16514, at which daemons of other hosts are heard, over TLS. Empty: guests neither come
         from other hosts nor go to them. Read at start only.",
    ),
    (
        "migration.address",
        "How other hosts name this one: HOST or HOST:PORT. Its certificates must be for HOST. Empty: the name of the host.",
    ),
    (
        "migration.peers",
        "Hosts that may send guests here, by the names that their certificates are for. Empty: none.",
    ),
    (
        "migration.stream-ports",
        "Ports at which guests come that have a connection of their own ('reeve domain migrate --migrateuri', '--direct').",
    ),
    (
        "migration.max-streams",
        "Most connections that the memory of one guest goes over, from here and to here, 1 to 16: 'reeve domain migrate --parallel', and
         what strategies of migrations add.",
    ),
    (
        "migration.unencrypted",
        "Guests may go and come without TLS, where an operator asks for it with '--migrateuri tcp://HOST' or '--direct'. Whoever
         is on the way reads their memory and can change it. Both hosts must say so.",
    ),
    (
        "migration.tls.ca",
        "PEM file of the authority that signs the certificates of all hosts. Files are named from DIR/etc/reeve on; they are read
         again when the daemon gets SIGHUP, and must not be writable by others.",
    ),
    ("migration.tls.server-certificate", "PEM file of this host's certificate for hosts that reach it."),
    ("migration.tls.server-key", "Its private key, which nobody else may read."),
    (
        "migration.tls.client-certificate",
        "PEM file of this host's certificate for hosts that it reaches. It may be the same file.",
    ),
    ("migration.tls.client-key", "Its private key, which nobody else may read."),
    (
        "policies.tune-interval",
        "Seconds between two rounds of tuners; starts and stops of domains wake them too. Read at start only.
         Policies are the *.wasm files in DIR/etc/reeve/policies.d, bound as DIR/etc/reeve/policies.toml says, and those
         that 'reeve policy load' put in place.",
    ),
    (
        "policies.registries.ca",
        "PEM file of certificate authorities that count beside the system's, for private registries. Read at start only, as
         everything below policies.",
    ),
    (
        "policies.registries.insecure",
        "Registries (host or host:port) that may be spoken to without TLS, beside those on this machine. \"*\": all.",
    ),
    (
        "policies.registries.credentials",
        "Credentials in the form of docker's config.json. Empty: where docker keeps them for the daemon's user.",
    ),
    (
        "policies.trust.rules",
        "Whose signature is demanded, by repository: { repository = \"registry.example.org/policies/*\", keys = [\"release.pub\"] }.
         The first rule that names the repository counts; * stands for any characters. A key is PEM text, or a file, from
         DIR/etc/reeve on; a signature by one of them suffices.",
    ),
    (
        "policies.trust.unsigned",
        "What of repositories that no rule names: \"refuse\" (unless 'reeve policy install --allow-unsigned' says otherwise),
         \"never\" (whatever anybody says), or \"allow\".",
    ),
    (
        "policies.trust.file-keys",
        "When there are any, every policy in DIR/etc/reeve/policies.d needs a signature by one of these keys beside it, in
         NAME.wasm.sig.",
    ),
    (
        "storage.low-space-percent",
        "When less of a storage pool is free, an event says so, once, and again after there was more. 0: never.",
    ),
    (
        "storage.space-interval",
        "Seconds between two measurements of the pools that run, because guests fill sparse volumes by themselves. 0: only
         refreshes and changes of volumes measure them. Read at start only.",
    ),
    ("workers.uid", "User id that the process of a KVM domain becomes, when the daemon is root."),
    ("workers.gid", "Group id that it becomes."),
    (
        "workers.seccomp",
        "What a forbidden system call does to it: \"kill\", \"trap\" (core dump), \"log\" (allowed, and written to the
         kernel's audit log), or \"off\" for no filter.",
    ),
    ("workers.landlock", "Take away all access to files and TCP by name, where the kernel can."),
    ("workers.cgroup", "Group below which every KVM domain gets its own, when the daemon is root; empty for none."),
    (
        "workers.program",
        "Program of that process; empty for reeve-worker beside the daemon's own program. Opened at start only: an
         upgrade that replaces it changes no worker of a daemon that runs.",
    ),
    (
        "workers.virtiofsd",
        "Program that serves directories to guests (virtiofs) where their documents do not name one; empty for
         what the host has.",
    ),
];
