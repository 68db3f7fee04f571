//! Verbs of virsh: what each is here, from the page that says so to people.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::{Exit, Foreign};

/// The page: one truth for readers and for the answers below.
const PAGE: &str = include_str!("../../VIRSH.md");
/// How the cell of a verb begins that is not here.
const ABSENT: &str = "not here: ";

/// What a verb of virsh is here.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    verb: &'a str,
    /// The second column as it is.
    here: &'a str,
}

/// The rows of the page's tables.
fn rows(page: &str) -> impl Iterator<Item = Row<'_>> {
    page.lines().filter_map(|line| {
        let (verb, here) = line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")?;
        Some(Row { verb, here })
    })
}

/// The answer to a command line that clap refuses for a word that is a verb of virsh.
pub(crate) fn answer(error: &clap::Error) -> Option<anyhow::Error> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => answer_to(word).map(anyhow::Error::new),
        _ => None,
    }
}

fn answer_to(word: &str) -> Option<Foreign> {
    let row = rows(PAGE).find(|row| row.verb == word)?;
    let text = row.here.replace('`', "'");
    Some(match text.strip_prefix(ABSENT) {
        None => Foreign {
            message: format!("'{word}' is a verb of virsh"),
            hint: format!("here it is {text}"),
            exit: Exit::Usage,
        },
        Some(text) => {
            let (reason, instead) =
                text.split_once("; ").unwrap_or((text, "'reeve --help' shows what there is"));
            Foreign {
                message: format!("there is no '{word}' here: {reason}"),
                hint: instead.to_owned(),
                exit: Exit::Failed,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::Cli;

    /// Verbs of virsh that the guide shows or names, in its order, and those that came later.
    const VERBS: &str = "\
        help quit exit version echo connect uri hostname sysinfo inject-nmi attach-device detach-device update-device \
        attach-interface detach-interface attach-disk detach-disk change-media autostart console define desc domblkstat \
        domifstat domif-setlink domif-getlink domiftune dommemstat domblkerror domblkinfo domblklist domiflist blockcommit \
        blockpull blockresize blockcopy blockjob domdisplay domhostname dominfo domuuid domid domjobabort domjobinfo domname \
        domstate domcontrol domxml-from-native domxml-to-native dump dumpxml create edit managedsave managedsave-remove \
        cpu-stats screenshot send-key send-process-signal vncdisplay nodeinfo numatune freecell nodecpumap nodecpustats \
        nodesuspend node-memory-tune nodedev-create nodedev-destroy nodedev-detach nodedev-dettach nodedev-reattach \
        nodedev-dumpxml nodedev-list nodedev-reset start suspend dompmsuspend dompmwakeup undefine resume save \
        save-image-define save-image-dumpxml save-image-edit restore shutdown reboot destroy reset \
        find-storage-pool-sources find-storage-pool-sources-as pool-autostart pool-build pool-create pool-create-as \
        pool-define pool-define-as pool-delete pool-destroy pool-dumpxml pool-edit pool-info pool-list pool-name \
        pool-refresh pool-start pool-undefine pool-uuid vol-create vol-create-as vol-create-from vol-clone vol-delete \
        vol-wipe vol-dumpxml vol-info vol-list vol-pool vol-path vol-name vol-key vol-upload vol-download vol-resize list \
        vcpuinfo vcpupin emulatorpin iothreadinfo iothreadpin iothreadadd iothreaddel vcpucount setvcpus setmem setmaxmem \
        net-autostart net-create net-define net-destroy \
        net-dumpxml net-edit net-info net-list net-name net-start net-undefine net-update net-uuid net-dhcp-leases migrate \
        migrate-setmaxdowntime migrate-setspeed migrate-getspeed migrate-compcache migrate-postcopy iface-begin iface-bridge \
        iface-commit iface-define iface-destroy iface-dumpxml iface-edit iface-list iface-mac iface-name iface-rollback \
        iface-start iface-unbridge iface-undefine snapshot-create snapshot-create-as snapshot-current snapshot-edit \
        snapshot-info snapshot-list snapshot-dumpxml snapshot-parent snapshot-revert snapshot-delete capabilities \
        cpu-compare cpu-baseline schedinfo blkiotune blkdeviotune memtune nwfilter-define nwfilter-dumpxml nwfilter-edit \
        nwfilter-list nwfilter-undefine secret-define secret-dumpxml secret-get-value secret-list secret-set-value \
        secret-undefine qemu-agent-command qemu-attach qemu-monitor-command domfsfreeze domfsthaw domfsinfo domfstrim \
        domtime domrename domblkthreshold domifaddr domstats guestvcpus set-user-password ttyconsole event setvcpu cd pwd \
        managedsave-dumpxml managedsave-define managedsave-edit metadata set-lifecycle-action domdisplay-reload \
        dom-fd-associate qemu-monitor-event lxc-enter-namespace perf domlaunchsecinfo domsetlaunchsecstate iothreadset \
        update-memory-device detach-device-alias domthrottlegroupset domthrottlegroupdel domthrottlegroupinfo \
        domthrottlegrouplist get-user-sshkeys set-user-sshkeys guestinfo guest-agent-timeout migrate-getmaxdowntime \
        domdirtyrate-calc checkpoint-create checkpoint-create-as checkpoint-delete checkpoint-dumpxml checkpoint-edit \
        checkpoint-info checkpoint-list checkpoint-parent backup-begin backup-dumpxml pool-capabilities pool-event \
        net-event net-desc net-metadata net-port-create net-port-delete net-port-dumpxml net-port-list \
        nwfilter-binding-create nwfilter-binding-delete nwfilter-binding-dumpxml nwfilter-binding-list secret-event \
        nodememstats cpu-models hypervisor-cpu-compare hypervisor-cpu-baseline hypervisor-cpu-models domcapabilities \
        maxvcpus freepages allocpages nodesevinfo nodedev-info nodedev-define nodedev-undefine nodedev-start \
        nodedev-autostart nodedev-update nodedev-event";

    #[test]
    fn every_verb_has_one_row() {
        let named: Vec<_> = rows(PAGE).map(|row| row.verb).collect();
        let known: BTreeSet<_> = named.iter().copied().collect();
        assert_eq!(known.len(), named.len(), "a verb has two rows");
        let missing: Vec<_> = VERBS.split_whitespace().filter(|verb| !known.contains(verb)).collect();
        assert!(missing.is_empty(), "host/VIRSH.md has no row for {missing:?}");
    }

    /// No row names a command or an option that is not there.
    #[test]
    fn every_command_of_the_page_is_there() {
        let mut cli = Cli::command();
        cli.build();
        for Row { verb, here } in rows(PAGE) {
            let commands: Vec<_> =
                here.split('`').skip(1).step_by(2).filter(|text| text.starts_with("reeve ")).collect();
            assert!(!commands.is_empty() || here.starts_with(ABSENT), "the row of {verb} names no command");
            for text in commands {
                let mut command = &cli;
                for word in text.split(' ').skip(1) {
                    if let Some(option) = word.strip_prefix("--") {
                        let option = option.split('=').next().unwrap();
                        let known = command.get_arguments().any(|own| own.get_long() == Some(option))
                            || ["help", "version"].contains(&option);
                        assert!(known, "{verb}: '{text}' has no option --{option}");
                    } else if command.has_subcommands() {
                        let below = command.find_subcommand(word);
                        command = below.unwrap_or_else(|| panic!("{verb}: there is no '{text}'"));
                    }
                }
            }
        }
    }

    fn said(words: &[&str]) -> Option<String> {
        let error = Cli::try_parse_from(words).unwrap_err();
        answer(&error).map(|answer| {
            let (exit, text) = crate::exit::explain(&answer);
            format!("{text}exit: {}\n", exit as u8)
        })
    }

    #[test]
    fn a_verb_of_virsh_is_answered() {
        let cases = [
            (&["reeve", "net-list"][..], "hint: here it is 'reeve network list'\nexit: 2\n"),
            (
                &["reeve", "domain", "iface-bridge", "eth0", "br0"],
                "hint: here it is 'reeve iface bridge'\nexit: 2\n",
            ),
            (
                &["reeve", "vncdisplay", "web"],
                "error: there is no 'vncdisplay' here: machines have no screen\n\
                 hint: 'reeve domain console' connects to the text console\nexit: 1\n",
            ),
            (
                &["reeve", "domain", "send-key", "web", "KEY_A"],
                "'reeve domain inject-nmi' interrupts\nexit: 1\n",
            ),
        ];
        for (words, end) in cases {
            let said = said(words).unwrap();
            assert!(said.ends_with(end), "{said}");
        }
        assert_eq!(said(&["reeve", "domain", "no-such-verb"]), None);
        assert_eq!(said(&["reeve", "domain", "start"]), None);
    }
}
