//! An event of the operator (CloudEvents 1.0 in JSON), read as far as it matters here.

use protocol::network_class::NetworkClass;
use serde::Deserialize;

use super::rfc3339;

/// What the types of all events begin with; a version and the kind follow.
const TYPE_PREFIX: &str = "org.camaraproject.connected-network-type-subscriptions.v0.";

/// The kind of event that is subscribed to.
pub(crate) const NETWORK_TYPE_CHANGED: &str =
    "org.camaraproject.connected-network-type-subscriptions.v0.network-type-changed";

/// Characters of the id of a subscription.
const MAX_SUBSCRIPTION_ID: usize = 128;

/// An event of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperatorEvent {
    pub(crate) subscription: String,
    /// When it happened, in milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) news: News,
}

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// The device is on this network from here on.
    NetworkType(NetworkClass),
    /// The subscription is over.
    Ended,
    /// Nothing that matters: it began, or was changed.
    Nothing,
}

/// The text is not an event of this interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event of connected-network-type-subscriptions")]
pub(crate) struct NoEvent;

#[derive(Deserialize)]
struct Envelope {
    specversion: String,
    #[serde(rename = "type")]
    kind: String,
    time: String,
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    subscription_id: String,
    connected_network_type: Option<String>,
}

impl OperatorEvent {
    pub(crate) fn read(body: &[u8]) -> Result<Self, NoEvent> {
        let event: Envelope = serde_json::from_slice(body).map_err(|_| NoEvent)?;
        let subscription = event.data.subscription_id;
        let fits = (1..=MAX_SUBSCRIPTION_ID).contains(&subscription.len());
        let kind = event.kind.strip_prefix(TYPE_PREFIX).filter(|_| fits && event.specversion == "1.0");
        let news = match kind.ok_or(NoEvent)? {
            "network-type-changed" => {
                let word = event.data.connected_network_type.ok_or(NoEvent)?;
                News::NetworkType(class_of(&word).ok_or(NoEvent)?)
            }
            "subscription-ended" => News::Ended,
            "subscription-started" | "subscription-updated" => News::Nothing,
            _ => return Err(NoEvent),
        };
        let at = rfc3339::read(&event.time).ok_or(NoEvent)?;
        Ok(Self { subscription, at, news })
    }
}

/// The class that a word of the interface means.
pub(crate) fn class_of(word: &str) -> Option<NetworkClass> {
    match word {
        "2G" => Some(NetworkClass::TwoG),
        "3G" => Some(NetworkClass::ThreeG),
        "4G" => Some(NetworkClass::FourG),
        "5G" => Some(NetworkClass::FiveG),
        "UNKNOWN" => Some(NetworkClass::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(kind: &str, data: Value) -> Vec<u8> {
        json!({
            "id": "123655",
            "source": "https://notifications.operator.example",
            "type": format!("{TYPE_PREFIX}{kind}"),
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "time": "2023-03-22T05:40:23.682Z",
            "data": data,
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn events_of_every_kind_are_read() {
        let id = json!({ "subscriptionId": "987", "device": { "phoneNumber": "+123456789" } });
        let mut changed = id.clone();
        changed["connectedNetworkType"] = "5G".into();
        for (kind, data, news) in [
            ("network-type-changed", &changed, News::NetworkType(NetworkClass::FiveG)),
            ("subscription-started", &id, News::Nothing),
            ("subscription-updated", &id, News::Nothing),
            ("subscription-ended", &id, News::Ended),
        ] {
            let expected = OperatorEvent { subscription: "987".to_owned(), at: 1_679_463_623_682, news };
            assert_eq!(OperatorEvent::read(&event(kind, data.clone())), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let fine = json!({ "subscriptionId": "987", "connectedNetworkType": "5G" });
        let without = |name: &str| {
            let mut value: Value =
                serde_json::from_slice(&event("network-type-changed", fine.clone())).unwrap();
            value.as_object_mut().unwrap().remove(name);
            value.to_string().into_bytes()
        };
        for body in [
            b"".to_vec(),
            b"[[[[".to_vec(),
            event("network-type-changed", json!({ "subscriptionId": "987" })),
            event("network-type-changed", json!({ "subscriptionId": "987", "connectedNetworkType": "6G" })),
            event("network-type-changed", json!({ "subscriptionId": "", "connectedNetworkType": "5G" })),
            event(
                "network-type-changed",
                json!({ "subscriptionId": "9".repeat(129), "connectedNetworkType": "5G" }),
            ),
            event("something-else", fine.clone()),
            without("time"),
            without("specversion"),
            without("type"),
            without("data"),
        ] {
            assert_eq!(OperatorEvent::read(&body), Err(NoEvent), "{}", String::from_utf8_lossy(&body));
        }
    }
}
