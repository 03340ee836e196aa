use std::collections::VecDeque;

use super::*;
use crate::register::ChangeOutcome;

/// Gives the replies of a test, and keeps what it was asked.
#[derive(Default)]
struct Scripted {
    replies: VecDeque<Result<LeaseReply, RegisterError>>,
    requests: Vec<LeaseRequest>,
    connected: bool,
}

impl LeaseStore for Scripted {
    async fn renew(
        &mut self,
        _role: &Role,
        _places: &[Place],
        request: &LeaseRequest,
    ) -> Result<LeaseReply, RegisterError> {
        self.connected = true;
        self.requests.push(request.clone());
        self.replies.pop_front().unwrap()
    }

    async fn end(
        &mut self,
        _role: &Role,
        places: &[Place],
        _request: &EndRequest,
    ) -> Result<Vec<Ended>, RegisterError> {
        Ok(vec![Ended::Removed; places.len()])
    }

    fn disconnect(&mut self) {
        self.connected = false;
    }
}

const LEASE: Duration = Duration::from_secs(60);

fn place() -> Place {
    Place {
        hash: "cloudhosts".into(),
        at: Some(Where::addresses("10.0.0.5").unwrap()),
    }
}

fn held(from: u64) -> Result<LeaseReply, RegisterError> {
    Ok(LeaseReply::Held {
        from,
        barred: 0,
        places: vec![PlaceOutcome {
            place: place(),
            outcome: ChangeOutcome::default(),
        }],
    })
}

fn holder(
    replies: impl IntoIterator<Item = Result<LeaseReply, RegisterError>>,
) -> Holder<Scripted> {
    let store = Scripted {
        replies: replies.into_iter().collect(),
        ..Scripted::default()
    };
    let role = Role::parse("db").unwrap().with_member("a").unwrap();
    let options = HoldOptions {
        lease: LEASE,
        exclusive: true,
        expire_last: None,
        keep_last: false,
    };
    Holder::with_store(store, role, options)
}

fn renew(holder: &mut Holder<Scripted>) -> Renewal {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(holder.renew(vec![place()]))
}

fn is_held(renewal: Renewal) -> (u64, bool) {
    match renewal {
        Renewal::Held { term, acquired, .. } => (term.unwrap(), acquired),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_lasts_by_the_clock_of_the_holder_whatever_those_of_others_say() {
    for from in [1, 1_795_548_416_581, 1 << 52] {
        let mut holder = holder([held(from), held(from)]);
        assert_eq!(holder.expires(), None);
        let before = Instant::now();
        assert_eq!(is_held(renew(&mut holder)), (from, true));
        let expires = holder.expires().unwrap();
        assert!(expires <= Instant::now() + LEASE && expires + LEASE / 6 >= before + LEASE);
        assert_eq!(is_held(renew(&mut holder)), (from, false));
        let [first, second] = holder.store.requests.as_slice() else {
            panic!("{:?}", holder.store.requests);
        };
        assert_eq!((first.state, first.from), (LeaseState::New, 0));
        assert_eq!((second.state, second.from), (LeaseState::Held, from));
        assert_eq!(first.nonce, second.nonce);
    }
}

#[test]
fn a_failure_is_told_until_a_reply_comes() {
    let away = || Err(RegisterError::Away("away".into()));
    let mut holder = holder([held(5), away(), away(), held(5), held(7)]);
    let interrupted = |holder: &Holder<Scripted>| holder.store.requests.last().unwrap().interrupted;
    renew(&mut holder);
    let expires = holder.expires().unwrap();
    for _ in 0..2 {
        assert!(matches!(renew(&mut holder), Renewal::Failed(_)));
        assert!(!holder.store.connected);
        // It is held until the lease ends, and not for longer.
        assert!(holder.expires().unwrap() <= expires + LEASE / 10);
    }
    assert!(interrupted(&holder));
    assert_eq!(is_held(renew(&mut holder)), (5, false));
    // Somebody else held it in between.
    assert_eq!(is_held(renew(&mut holder)), (7, true));
    assert!(!interrupted(&holder));
}

#[test]
fn a_name_that_is_taken_is_followed_by_others_and_then_by_none() {
    let taken = || Ok(LeaseReply::Taken);
    let mut one = holder([taken(), held(5)]);
    is_held(renew(&mut one));
    assert!(one.role().member().unwrap().starts_with("a-"));
    let mut one = holder((0..10).map(|_| taken()));
    assert!(matches!(renew(&mut one), Renewal::Failed(error) if error.may_pass()));
    assert_eq!(one.store.requests.len(), 1 + NAMES);
}

#[test]
fn who_was_ended_says_by_which_term_and_joins_no_more_as_the_old_one() {
    let ended = EndedBy {
        by: "alice@a".into(),
        verb: "claim".into(),
    };
    let standby = Ok(LeaseReply::Standby {
        holder: "10.0.0.9".into(),
        from: 8,
        ended: Some(ended.clone()),
        barred: 9,
    });
    let mut one = holder([held(5), standby, Ok(LeaseReply::Ended(ended.clone()))]);
    renew(&mut one);
    assert!(matches!(
        renew(&mut one),
        Renewal::Standby { ended: Some(_), .. }
    ));
    assert_eq!(one.expires(), None);
    assert_eq!(renew(&mut one), Renewal::Ended(ended));
    let last = one.store.requests.last().unwrap();
    assert_eq!((last.state, last.barred), (LeaseState::Standby, 9));
}
