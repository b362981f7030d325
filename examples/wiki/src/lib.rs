//! Pages with a text, tags and properties, made of the types that ship with Replicant.

use replicant_lww_map::LwwMap;
use replicant_or_set::OrSet;
use replicant_sdk::Delta;
use replicant_sdk::compose::{Compose, Composed, Map, Optional, Pair, ResetWins};
use replicant_text::Text;

/// A text on the one hand; tags and, if somebody sets any, properties on the other.
pub type Page = Pair<Text, Pair<OrSet, Optional<Delta<LwwMap>>>>;

/// The name of the type, and what it is made of.
pub struct Wiki;

impl Compose for Wiki {
    const NAME: &'static str = "wiki";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Pages with a text, tags and properties. A page that is removed \
        is gone, also for those who were still writing.";
    type Of = Map<String, Page, ResetWins>;
}

replicant_sdk::export!(Composed<Wiki>);

#[cfg(test)]
mod tests {
    replicant_sdk::laws!(super::Composed<super::Wiki>);
}
