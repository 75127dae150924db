//! Who has sessions open.

use async_trait::async_trait;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::time::Timestamp;
use portway_domain::users::Profile;
use portway_ports::StoreError;
use portway_ports::presence::{OpenSocket, PresenceStore};

use super::SqlStore;
use crate::driver::Read;
use crate::presence;

#[async_trait]
impl PresenceStore for SqlStore {
    async fn add_sockets(&self, sockets: &[OpenSocket]) -> Result<(), StoreError> {
        let dialect = self.driver.dialect();
        let steps = sockets.iter().map(|socket| presence::add(dialect, socket.clone())).collect::<Result<_, _>>()?;
        self.driver.write(steps).await?;
        Ok(())
    }

    async fn remove_sockets(&self, node: &NodeId, numbers: &[u64]) -> Result<(), StoreError> {
        let dialect = self.driver.dialect();
        self.driver.write(numbers.iter().map(|number| presence::remove(dialect, node, *number)).collect()).await?;
        Ok(())
    }

    async fn sockets_of_node(&self, node: &NodeId, after: u64, limit: u32) -> Result<Vec<OpenSocket>, StoreError> {
        let statement = presence::of_node(self.driver.dialect(), node, after, limit);
        Ok(presence::decode_sockets(self.read(Read::bounded(vec![statement])).await?.next()?)?)
    }

    async fn present_elsewhere(
        &self,
        session: &SessionId,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<Vec<Profile>, StoreError> {
        let statement = presence::elsewhere(self.driver.dialect(), session, node, now);
        Ok(presence::decode_present(self.read(Read::bounded(vec![statement])).await?.next()?)?)
    }
}
