use reeve_model::StateReason as Why;

use super::*;

const PHASES: [Phase; 11] = [
    Phase::Off(Why::Unknown),
    Phase::Crashed(Why::WorkerLost),
    Phase::Starting,
    Phase::Running(Why::Booted),
    Phase::Idle,
    Phase::Paused(Why::User),
    Phase::InShutdown,
    Phase::PmSuspended,
    Phase::Preserved(true),
    Phase::Preserved(false),
    Phase::Stopping,
];

const OCCURRENCES: [Occurrence; 19] = [
    Occurrence::StartBegan,
    Occurrence::Made,
    Occurrence::Restored,
    Occurrence::Came,
    Occurrence::StartFailed,
    Occurrence::Resumed,
    Occurrence::Arrived,
    Occurrence::Left,
    Occurrence::Severed,
    Occurrence::Paused,
    Occurrence::ShutdownAsked,
    Occurrence::Reset,
    Occurrence::Halted,
    Occurrence::Unhalted,
    Occurrence::Suspended,
    Occurrence::Woke,
    Occurrence::KeptOff,
    Occurrence::KeptCrashed,
    Occurrence::StopBegan,
];

/// One row a phase: what may be asked, the rest is refused.
const ALLOWED: [&[Request]; 11] = {
    use Request as R;
    const LIVE: &[Request] = &[
        R::Shutdown,
        R::Reboot,
        R::Reset,
        R::Save,
        R::Dump,
        R::Destroy,
        R::Suspend,
        R::Wake,
        R::SetMemory,
        R::Tune,
        R::AttachDevice,
        R::DetachDevice,
        R::UpdateDevice,
        R::SteerJob,
        R::PivotJob,
        R::Migrate,
    ];
    [
        &[R::Start],
        &[R::Start],
        &[],
        LIVE,
        LIVE,
        &[
            R::Reset,
            R::Save,
            R::Dump,
            R::Destroy,
            R::Resume,
            R::SetMemory,
            R::Tune,
            R::AttachDevice,
            R::DetachDevice,
            R::UpdateDevice,
            R::SteerJob,
            R::PivotJob,
            R::Migrate,
        ],
        &[
            R::Shutdown,
            R::Reset,
            R::Dump,
            R::Destroy,
            R::Suspend,
            R::Wake,
            R::SetMemory,
            R::Tune,
            R::SteerJob,
            R::PivotJob,
        ],
        &[R::Reset, R::Dump, R::Destroy, R::Wake, R::SetMemory, R::Tune, R::SteerJob, R::PivotJob],
        &[R::Dump, R::Destroy],
        &[R::Dump, R::Destroy],
        &[],
    ]
};

#[test]
fn every_phase_answers_every_request() {
    for (phase, allowed) in PHASES.into_iter().zip(ALLOWED) {
        for request in Request::ALL {
            let always = matches!(request, Request::Define | Request::Undefine | Request::Configure);
            let expected = always || allowed.contains(&request);
            assert_eq!(phase.permits(request).is_ok(), expected, "{phase:?} {request:?}");
        }
    }
}

#[test]
fn every_refusal_is_the_rest_of_a_sentence() {
    for phase in PHASES {
        for request in Request::ALL {
            if let Err(sentence) = phase.permits(request) {
                let verb = sentence.split(' ').next().unwrap();
                assert!(matches!(verb, "is" | "has"), "{phase:?} {request:?}: {sentence}");
                assert!(!sentence.ends_with('.'), "{sentence}");
            }
        }
    }
}

#[test]
fn the_sentences_operators_meet_most() {
    let says = |phase: Phase, request| phase.permits(request).unwrap_err();
    assert_eq!(says(Phase::Off(Why::Unknown), Request::Shutdown), "is not running");
    assert_eq!(says(Phase::Running(Why::Booted), Request::Start), "is running already");
    assert_eq!(says(Phase::Paused(Why::User), Request::Start), "is active already (paused); resume it");
    assert_eq!(says(Phase::Paused(Why::User), Request::Shutdown), "is paused; resume it first");
    assert_eq!(says(Phase::Running(Why::Booted), Request::Resume), "is not paused");
    assert_eq!(says(Phase::PmSuspended, Request::Suspend), "is suspended by its guest; wake it first");
}

/// Every legal transition, and no other.
#[test]
fn the_transition_table() {
    use Occurrence as O;
    let mut legal = Vec::new();
    for phase in PHASES {
        for occurrence in OCCURRENCES {
            if let Some(next) = phase.after(occurrence) {
                legal.push((phase, occurrence, next));
            }
        }
    }
    let off = Phase::Off(Why::Unknown);
    let crashed = Phase::Crashed(Why::WorkerLost);
    let running = Phase::Running(Why::Booted);
    let paused = Phase::Paused(Why::User);
    let live = [running, Phase::Idle, paused, Phase::InShutdown, Phase::PmSuspended];
    let mut expected = vec![
        (off, O::StartBegan, Phase::Starting),
        (crashed, O::StartBegan, Phase::Starting),
        (Phase::Starting, O::Made, Phase::Paused(Why::Booted)),
        (Phase::Starting, O::Restored, Phase::Paused(Why::Restored)),
        (Phase::Starting, O::Came, Phase::Paused(Why::Migrated)),
        (Phase::Starting, O::StartFailed, Phase::Off(Why::Failed)),
        (paused, O::Resumed, Phase::Running(Why::Unpaused)),
        (paused, O::Arrived, Phase::Running(Why::Migrated)),
        (paused, O::Suspended, Phase::PmSuspended),
        (running, O::Halted, Phase::Idle),
        (Phase::Idle, O::Unhalted, Phase::Running(Why::Unknown)),
        (Phase::PmSuspended, O::Woke, Phase::Running(Why::Unknown)),
    ];
    for phase in [running, Phase::Idle, Phase::InShutdown] {
        expected.push((phase, O::Paused, paused));
        expected.push((phase, O::ShutdownAsked, Phase::InShutdown));
        expected.push((phase, O::Suspended, Phase::PmSuspended));
    }
    for phase in live {
        let after_reset = if phase == paused { paused } else { running };
        expected.push((phase, O::Reset, after_reset));
        expected.push((phase, O::Left, Phase::Paused(Why::PostCopy)));
        expected.push((phase, O::Severed, Phase::Paused(Why::PostCopyFailed)));
        expected.push((phase, O::KeptOff, Phase::Preserved(false)));
        expected.push((phase, O::KeptCrashed, Phase::Preserved(true)));
        expected.push((phase, O::StopBegan, Phase::Stopping));
    }
    for kept in [Phase::Preserved(true), Phase::Preserved(false)] {
        expected.push((kept, O::StopBegan, Phase::Stopping));
        expected.push((kept, O::Reset, running));
    }
    assert_eq!(legal.len(), expected.len(), "{legal:#?}");
    for transition in expected {
        assert!(legal.contains(&transition), "{transition:?}");
    }
}

#[test]
fn a_state_is_active_exactly_while_a_machine_can_be_used() {
    for phase in PHASES {
        let usable = phase.has_machine() && !matches!(phase, Phase::Starting | Phase::Preserved(_));
        assert_eq!(phase.state().is_active(), usable, "{phase:?}");
    }
}
