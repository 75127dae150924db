//! What one event has to tell objects.

use std::cell::RefCell;

/// Most bytes of one request to an object, but for a hint that is larger by itself.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What is to be told, in order for each object. While an object is told something, what is new waits, and is then told
/// at once.
pub(crate) struct Outbox<K>(RefCell<Vec<Parcel<K>>>);

/// Something tells an object what is here, until nothing is.
struct Parcel<K> {
    object: K,
    /// JSON, one text for each hint.
    waiting: Vec<String>,
}

impl<K> Default for Outbox<K> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Clone + PartialEq> Outbox<K> {
    /// Adds what an object is to be told. Answers whether nothing tells that object yet: whoever adds it has to begin then.
    pub(crate) fn put(&self, object: &K, text: String) -> bool {
        let mut parcels = self.0.borrow_mut();
        if let Some(parcel) = parcels.iter_mut().find(|parcel| parcel.object == *object) {
            parcel.waiting.push(text);
            return false;
        }
        parcels.push(Parcel { object: object.clone(), waiting: vec![text] });
        true
    }

    /// What an object is to be told next, as a JSON array; `None` once there is nothing, and whoever told it is done.
    pub(crate) fn take(&self, object: &K) -> Option<String> {
        let mut parcels = self.0.borrow_mut();
        let index = parcels.iter().position(|parcel| parcel.object == *object)?;
        let waiting = &mut parcels[index].waiting;
        if waiting.is_empty() {
            parcels.swap_remove(index);
            return None;
        }
        let mut bytes = 0;
        let fits = waiting.iter().take_while(|text| {
            bytes += text.len();
            bytes <= MAX_BYTES
        });
        let count = fits.count().max(1);
        let texts: Vec<String> = waiting.drain(..count).collect();
        Some(format!("[{}]", texts.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_told_everything_in_order() {
        let outbox = Outbox::default();
        let put = |object, text: &str| outbox.put(&object, text.to_owned());
        assert!(put('a', "1"));
        assert!(!put('a', "2"));
        assert!(put('b', "3"));
        assert_eq!(outbox.take(&'a').as_deref(), Some("[1,2]"));
        assert!(!put('a', "4"));
        assert_eq!(outbox.take(&'a').as_deref(), Some("[4]"));
        assert_eq!(outbox.take(&'a'), None);
        assert!(put('a', "5"), "nobody tells it any more");
        assert_eq!(outbox.take(&'b').as_deref(), Some("[3]"));
    }

    #[test]
    fn requests_are_bounded() {
        let outbox = Outbox::default();
        for bytes in [MAX_BYTES / 2, MAX_BYTES / 2, 1, MAX_BYTES + 1, 1] {
            outbox.put(&(), "x".repeat(bytes));
        }
        let mut taken = Vec::new();
        while let Some(text) = outbox.take(&()) {
            taken.push(text.split(',').count());
        }
        assert_eq!(taken, [2, 1, 1, 1]);
    }
}
