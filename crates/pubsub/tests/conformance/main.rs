//! The port suite of hints within one process.
#![cfg(test)]

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use portway_conformance::{Failure, Nodes, PubSubCase, pubsub_cases};
use portway_ports::pubsub::PubSub;
use portway_pubsub::LocalPubSub;

/// One process, which is every node.
struct OneProcess(Arc<LocalPubSub>);

#[async_trait::async_trait]
impl Nodes for OneProcess {
    async fn join(&self) -> Result<Arc<dyn PubSub>, Failure> {
        Ok(self.0.clone())
    }

    async fn interrupt(&self) -> bool {
        false
    }
}

fn main() -> ExitCode {
    let trials = pubsub_cases().into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(case: PubSubCase) -> Trial {
    Trial::test(format!("local::{}", case.name), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
        let nodes = Arc::new(OneProcess(Arc::new(LocalPubSub::new())));
        runtime.block_on((case.run)(nodes)).map_err(Failed::from)
    })
}
