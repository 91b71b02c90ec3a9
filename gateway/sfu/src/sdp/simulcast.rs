//! `a=simulcast` (RFC 8853): which RIDs an offer sends, in the order of its preference.

use super::token::Rid;
use crate::limits::MAX_ENCODINGS;

/// The RIDs of the `send` list, one per stream; of alternatives the first counts. A RID may be offered as
/// paused (`~`); to receive it is the same. RIDs that are not `declared` and those beyond what a track
/// may have are left out, which an answer is free to do (RFC 8853 §5.3).
pub(super) fn offered_rids(value: &str, declared: &[Rid]) -> Vec<Rid> {
    let mut words = value.split_ascii_whitespace();
    let mut rids = Vec::new();
    while let (Some(direction), Some(list)) = (words.next(), words.next()) {
        if direction != "send" {
            continue;
        }
        for stream in list.split(';') {
            let first = stream.split(',').next().unwrap_or_default();
            if let Some(rid) = Rid::new(first.trim_start_matches('~'))
                && declared.contains(&rid)
                && !rids.contains(&rid)
                && rids.len() < MAX_ENCODINGS
            {
                rids.push(rid);
            }
        }
    }
    rids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn send_lists_keep_their_order() {
        let declared: Vec<Rid> = ["q", "h", "f", "x"].into_iter().filter_map(Rid::new).collect();
        for (value, expected) in [
            ("send q;h;f", vec!["q", "h", "f"]),
            ("send f;~h;q", vec!["f", "h", "q"]),
            ("send f,x;h", vec!["f", "h"]),
            ("recv q;h send f", vec!["f"]),
            ("recv q;h;f", vec![]),
            ("send q;q;unknown;h", vec!["q", "h"]),
            ("send q;h;f;x", vec!["q", "h", "f"]),
            ("send", vec![]),
            ("send ;;~,", vec![]),
        ] {
            let rids = offered_rids(value, &declared);
            assert_eq!(rids.iter().map(Rid::as_str).collect::<Vec<_>>(), expected, "{value}");
        }
    }
}
