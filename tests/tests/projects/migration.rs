//! A second version of a new project, in each language. Its ops and its saved states look like
//! those of the first and mean something else (twice the score), so that nothing tells them apart
//! but the number of the encoding and the version that saved. It is checked, and then runs in a
//! node.

use std::fs;

use replicant_tests::process::NodeProcess;
use serde_json::json;

use crate::place::{change, place, replicant, scaffold, text};
use crate::tools::Tools;

/// What a second version changes: in which file, from what, to what.
type Changes<'a> = &'a [(&'a str, &'a str, &'a str)];

#[test]
fn a_second_version_in_rust_reads_ops_and_loads_states_of_the_first() {
    let source = "src/lib.rs";
    let loads = "    fn load(saved: &[u8], from: &str) -> Result<Self, replicant_sdk::LoadError> {
        let error = |error| replicant_sdk::LoadError::new(format!(\"{error}\"));
        let mut state: Self = replicant_sdk::postcard_bytes::read(saved).map_err(error)?;
        if !from.starts_with(\"0.1.\") {
            state.best.values_mut().for_each(|score| *score /= 2);
        }
        Ok(state)
    }

    fn save(&self) -> Vec<u8> {
        let mut state = Self { best: self.best.clone() };
        state.best.values_mut().for_each(|score| *score *= 2);
        let mut bytes = Vec::new();
        replicant_sdk::postcard_bytes::append(&state, &mut bytes);
        bytes
    }

    /// What people read.";
    let encodings = "    const WRITES: u32 = 2;
    const READS: &'static [u32] = &[1, 2];
    type Command = Command;";
    let reads = "fn effect(&mut self, at: &Context, mut op: Op, events: &mut Events<Op>) {
        op.score /= at.schema;";
    a_second_version_migrates(
        "rust",
        &[
            ("Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\""),
            (source, "    type Command = Command;", encodings),
            (
                source,
                "fn prepare(&self, _: &Context",
                "fn prepare(&self, at: &Context",
            ),
            (
                source,
                "Ok(Some(Op { player, score }))",
                "Ok(Some(Op { player, score: score * at.schema }))",
            ),
            (
                source,
                "fn effect(&mut self, _: &Context, op: Op, events: &mut Events<Op>) {",
                reads,
            ),
            (source, "    /// What people read.", loads),
        ],
        ["{\"player\": \"ann\", \"score\": 340}", "{\"ann\":340}"],
        ["{\"player\": \"ann\", \"score\": 400}", "{\"ann\":400}"],
    );
}

#[test]
fn a_second_version_in_javascript_reads_ops_and_loads_states_of_the_first() {
    if !Tools::JavaScript.are_there() {
        return;
    }
    let source = "type.js";
    let loads = "  loadFrom(saved, fromVersion) {
    this.load(saved);
    if (fromVersion.startsWith(\"0.1.\")) return;
    for (const [player, score] of this.best) this.best.set(player, score / 2);
  }

  load(saved) {";
    a_second_version_migrates(
        "js",
        &[
            (
                source,
                "version: \"0.1.0\",",
                "version: \"0.2.0\", writes: 2, reads: [1, 2],",
            ),
            (source, "prepare(_context, command)", "prepare(at, command)"),
            (
                source,
                "? [player, score] : null;",
                "? [player, score * at.schema] : null;",
            ),
            (source, "effect(_context, op)", "effect(at, op)"),
            (
                source,
                "const [player, score] = op;",
                "const [player, score] = [op[0], Math.floor(op[1] / at.schema)];",
            ),
            (
                source,
                "return [...this.best].sort(",
                "return [...this.best].map(([player, score]) => [player, score * 2]).sort(",
            ),
            (source, "  load(saved) {", loads),
        ],
        ["{\"player\": \"ann\", \"score\": 340}", "{\"ann\":340}"],
        ["{\"player\": \"ann\", \"score\": 400}", "{\"ann\":400}"],
    );
}

#[test]
fn a_second_version_in_python_reads_ops_and_loads_states_of_the_first() {
    if !Tools::Python.are_there() {
        return;
    }
    let source = "app.py";
    let loads = "    def load_from(self, saved, from_version: str) -> None:
        self.load(saved)
        if not from_version.startswith(\"0.1.\"):
            self.best = {player: score // 2 for player, score in self.best.items()}

    def load(self, saved) -> None:";
    a_second_version_migrates(
        "python",
        &[
            (
                source,
                "version=\"0.1.0\",",
                "version=\"0.2.0\", writes=2, reads=(1, 2),",
            ),
            (
                source,
                "return [player, score] if score",
                "return [player, score * context.schema] if score",
            ),
            (
                source,
                "player, score = op\n",
                "player, score = op[0], op[1] // context.schema\n",
            ),
            (
                source,
                "return sorted(self.best.items())",
                "return sorted((player, score * 2) for player, score in self.best.items())",
            ),
            (source, "    def load(self, saved) -> None:", loads),
        ],
        ["{\"player\": \"ann\", \"score\": 340}", "{\"ann\":340}"],
        ["{\"player\": \"ann\", \"score\": 400}", "{\"ann\":400}"],
    );
}

#[test]
fn a_second_version_in_c_reads_ops_and_loads_states_of_the_first() {
    if !Tools::C.are_there() {
        return;
    }
    let source = "type.c";
    let loads = "static void save(const void *state, rep_buffer *out) {
  rep_write_uint(out, ((const high_score *)state)->best * 2);
}

static bool load_from(void *state, rep_reader *saved, const char *from_version) {
  high_score *score = state;
  if (!rep_read_uint(saved, &score->best) || !rep_read_end(saved)) return false;
  if (!rep_is_version(from_version, \"0.1\")) score->best /= 2;
  return true;
}

static const uint32_t reads[] = {1, 2, 0};";
    a_second_version_migrates(
        "c",
        &[
            (
                source,
                ".version = \"0.1.0\",",
                ".version = \"0.2.0\", .writes = 2, .reads = reads, .load_from = load_from,",
            ),
            (
                source,
                "rep_write_uint(out, reported);\n  return REP_OP;",
                "rep_write_uint(out, reported * context->schema);\n  return REP_OP;",
            ),
            (
                source,
                "  if (reported <= score->best) return false;",
                "  reported /= context->schema;\n  if (reported <= score->best) return false;",
            ),
            (
                source,
                "static void save(const void *state, rep_buffer *out) { value(state, out); }",
                loads,
            ),
        ],
        ["340", "340"],
        ["400", "400"],
    );
}

/// Builds a new project and its second version; what the first saves and sends, the second reads:
/// in the histories of the checker, and in a node that switches. Before the switch a command is
/// given, and another afterwards; each with the value that is to be read then.
fn a_second_version_migrates(
    language: &str,
    changes: Changes<'_>,
    before: [&str; 2],
    after: [&str; 2],
) {
    let folder = place(&format!("{language}-migrates")).join("marble-run");
    scaffold(&folder, language);
    let (newer, older) = (folder.join("marble-run.wasm"), folder.join("older.wasm"));
    replicant().run(["build", text(&folder)]).succeeds();
    fs::rename(&newer, &older).unwrap();
    for (file, from, to) in changes {
        change(&folder.join(file), from, to);
    }
    let built = replicant().run(["build", text(&folder)]);
    built.mentions(&["marble-run@0.2.0"]);
    let check = ["check", text(&newer), "--from", text(&older), "--runs", "4"];
    let only = ["--law", "older-states-load"];
    let checked = replicant().run(check.iter().chain(&only));
    checked.mentions(&["older-states-load", "holds in every history"]);

    let process = NodeProcess::alone();
    let node = &process.replicant;
    node.run(["module", "load", text(&older)]).succeeds();
    let update = |command: &str| {
        let object = ["update", "fair", "one", command, "--type", "marble-run"];
        node.run(object).succeeds();
    };
    let value = || node.run(["get", "fair", "one", "--json"]).json()["value"].to_string();
    update(before[0]);
    assert_eq!(value(), before[1]);
    node.run(["module", "load", text(&newer)]).succeeds();
    node.run(["module", "upgrade", "marble-run@0.2.0"])
        .succeeds();
    let module = node.run(["module", "show", "marble-run", "--json"]).json();
    assert_eq!(module["writes"], 2);
    assert_eq!(module["reads"], json!([1, 2]));
    assert_eq!(value(), before[1]);
    update(after[0]);
    assert_eq!(value(), after[1]);
}
