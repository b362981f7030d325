//! The counters of the layers below, under one roof: name, value, and what each counts.

use replicant_protocol::replication::anti_entropy;
use replicant_protocol::{facts, reconciliation};

use super::Running;
use crate::network::NetworkStatistics;
use crate::vocabulary::Counter;

/// Everything that a running node counts, ordered by name.
pub(super) fn all(running: &Running) -> Vec<Counter> {
    let mut counters = running.topics.counters().all();
    counters.extend(of_network(&running.network.statistics()));
    let fact_counts = running.network.fact_counts();
    counters.extend(of_facts(&fact_counts));
    counters.extend(of_refused_facts(&fact_counts));
    counters.extend(of_comparing(&fact_counts.reconciliation));
    counters.extend(of_comparing_topics(&running.comparison.counts()));
    let facts = running.facts.len() as u64;
    counters.push(counter(("facts", facts, "Facts that are known here now.")));
    counters.sort_unstable();
    counters
}

fn counter((name, value, about): (&'static str, u64, &'static str)) -> Counter {
    Counter { name, value, about }
}

/// What happened on the network, and what there is of it now.
fn of_network(statistics: &NetworkStatistics) -> impl Iterator<Item = Counter> {
    let counts = statistics.counts.iter();
    let counts = counts.map(|(count, value)| (count.name(), *value, count.about()));
    let queued_bytes = statistics.queued_bytes as u64;
    let half_open = statistics.half_open as u64;
    let present = [
        (
            "queued_bytes",
            queued_bytes,
            "Bytes that wait for peers now.",
        ),
        (
            "half_open_connections",
            half_open,
            "Accepted connections whose handshake is under way now.",
        ),
    ];
    counts.chain(present).map(counter)
}

/// What became of facts.
fn of_facts(counts: &facts::Counts) -> [Counter; 5] {
    [
        (
            "facts_learned_total",
            counts.learned_count,
            "Facts of others that were taken.",
        ),
        (
            "facts_duplicate_total",
            counts.duplicate_count,
            "Facts that came although they were known.",
        ),
        (
            "facts_expired_total",
            counts.expired_count,
            "Facts that expired here.",
        ),
        (
            "facts_displaced_total",
            counts.displaced_count,
            "Facts that gave way to others, since there were too many.",
        ),
        (
            "facts_refused_total",
            counts.refused.values().sum(),
            "Facts that were refused, as this node's configuration, clock or bounds have it.",
        ),
    ]
    .map(counter)
}

/// Which facts were refused, by reason.
fn of_refused_facts(counts: &facts::Counts) -> impl Iterator<Item = Counter> {
    facts::Refusal::ALL.into_iter().map(|refusal| {
        let value = counts.refused.get(&refusal).copied().unwrap_or(0);
        let (name, about) = match refusal {
            facts::Refusal::UnknownKind => (
                "facts_refused_unknown_kind_total",
                "Facts refused since their kind is not declared here.",
            ),
            facts::Refusal::Unauthorised => (
                "facts_refused_unauthorised_total",
                "Facts refused since their issuer may not issue that kind here.",
            ),
            facts::Refusal::BodyLength => (
                "facts_refused_body_length_total",
                "Facts refused since their body is larger than their kind allows here.",
            ),
            facts::Refusal::Ttl => (
                "facts_refused_ttl_total",
                "Facts refused since they would live for longer than their kind allows here.",
            ),
            facts::Refusal::Expired => (
                "facts_refused_expired_total",
                "Facts refused since they had expired when they came.",
            ),
            facts::Refusal::Ahead => (
                "facts_refused_ahead_total",
                "Facts refused for now, since they are dated ahead of this node's clock.",
            ),
            facts::Refusal::Full => (
                "facts_refused_full_total",
                "Facts refused since there was no room for them.",
            ),
        };
        counter((name, value, about))
    })
}

/// What comparing facts with peers came to.
fn of_comparing(compared: &reconciliation::Counts) -> [Counter; 6] {
    [
        (
            "facts_pushed_total",
            compared.pushed_count,
            "Facts sent to peers that lacked them, as comparing showed.",
        ),
        (
            "facts_unserved_total",
            compared.unserved_count,
            "Facts that peers named when comparing, and did not send.",
        ),
        (
            "facts_compared_total",
            compared.compared_count,
            "Comparisons of facts with a peer that this node led to their end.",
        ),
        (
            "facts_compared_deep_total",
            compared.deep_count,
            "Comparisons of facts in which each was hashed anew, since sums did not show the \
             difference.",
        ),
        (
            "facts_comparisons_abandoned_total",
            compared.abandoned_count,
            "Comparisons of facts that the peer did not answer in time, or refused.",
        ),
        (
            "facts_comparisons_refused_total",
            compared.busy_count,
            "Messages of peers that compare facts and that were refused, since too much is under \
             way, or no such comparison is.",
        ),
    ]
    .map(counter)
}

/// What comparing topics with peers came to.
fn of_comparing_topics(counts: &anti_entropy::Counts) -> [Counter; 8] {
    let compared = &counts.reconciliation;
    [
        (
            "topics_compared_total",
            compared.compared_count,
            "Comparisons of all topics with a peer that this node led to their end.",
        ),
        (
            "topics_compared_equal_total",
            compared.equal_count,
            "Comparisons of all topics with a peer in which nothing differed.",
        ),
        (
            "topics_compared_deep_total",
            compared.deep_count,
            "Comparisons of topics in which each was hashed anew, since sums did not show the \
             difference.",
        ),
        (
            "topics_comparisons_abandoned_total",
            compared.abandoned_count,
            "Comparisons of topics that the peer did not answer in time, or refused.",
        ),
        (
            "topics_told_total",
            compared.pushed_count,
            "Topics that peers were told of, as comparing showed that theirs are other versions.",
        ),
        (
            "topics_differing_total",
            counts.repairs_count,
            "Topics that a peer was asked for, as comparing showed that something may be missing.",
        ),
        (
            "topics_differing_late_total",
            counts.late_count,
            "Topics that a peer was asked for and that had not changed after five seconds; the \
             next comparison finds them again.",
        ),
        (
            "topics_differing_surplus_total",
            counts.surplus_count,
            "Topics that peers named and that were forgotten, since too many waited; the next \
             comparison finds them again.",
        ),
    ]
    .map(counter)
}
