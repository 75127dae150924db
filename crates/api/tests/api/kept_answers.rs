//! Answers that are kept under idempotency keys.

mod rig;

use self::rig::Keeping;
use crate::detached::hang_up_at;

#[tokio::test]
async fn a_request_is_carried_out_when_its_caller_is_gone() {
    let keeping = Keeping::new().await;
    hang_up_at(&keeping.gateway.state.gate, keeping.create("held")).await;
    let (status, code, _) = keeping.create("held").await.error();
    assert_eq!((status, code.as_str()), (409, "CONFLICT"), "it is being carried out");
    keeping.gateway.state.gate.open();
    keeping.tasks_ended().await;
    let kept = keeping.create("held").await;
    assert_eq!((kept.status(), kept.body.as_str()), (201, r#"{"id":"held"}"#));
    assert_eq!(keeping.calls(), 1);
}

#[tokio::test]
async fn a_key_is_not_lost_with_a_caller_that_is_gone_while_it_is_claimed() {
    let keeping = Keeping::waiting_after_claims().await;
    hang_up_at(&keeping.claimed, keeping.create("n1")).await;
    assert_eq!(keeping.calls(), 0);
    keeping.claimed.open();
    keeping.tasks_ended().await;
    keeping.claimed.open();
    assert_eq!(keeping.create("n1").await.status(), 201);
    assert_eq!(keeping.calls(), 1);
}

#[tokio::test]
async fn a_handler_that_panics_does_not_use_the_key_up() {
    let keeping = Keeping::new().await;
    for times in 1..=2 {
        let (status, code, _) = keeping.remove("panics").await.error();
        assert_eq!((status, code.as_str()), (500, "INTERNAL_ERROR"));
        assert_eq!(keeping.calls(), times);
    }
}
