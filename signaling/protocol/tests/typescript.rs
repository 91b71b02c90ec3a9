//! Writes the TypeScript of every type on the client's edge, and fails where the committed file differs.
//! `UPDATE_GENERATED=1 cargo test -p protocol --test typescript` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::PROTOCOL_VERSION;
use protocol::client_message::ClientEnvelope;
use protocol::server_message::ServerMessage;
use ts_rs::{Config, TS, TypeVisitor};

const GENERATED: &str = "../../web-client/src/protocol/messages.ts";

const HEADER: &str = "// Generated from the Rust crate `protocol` by its test `typescript`; not for editing.\n\
    // UPDATE_GENERATED=1 cargo test -p protocol --test typescript\n";

/// Collects the declarations of a type and of everything that it names, by name.
struct Declarations<'a> {
    config: &'a Config,
    by_name: BTreeMap<String, String>,
}

impl Declarations<'_> {
    fn add<T: TS + 'static + ?Sized>(&mut self) {
        let name = T::ident(self.config);
        if self.by_name.contains_key(&name) {
            return;
        }
        let declaration = format!("{}export {}\n", T::docs().unwrap_or_default(), T::decl(self.config));
        self.by_name.insert(name, declaration);
        T::visit_dependencies(self);
    }
}

impl TypeVisitor for Declarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Types without a file of their own are TypeScript's: numbers, strings, arrays.
        if T::output_path().is_some() {
            self.add::<T>();
        }
    }
}

fn typescript() -> String {
    let config = Config::new();
    let mut declarations = Declarations { config: &config, by_name: BTreeMap::new() };
    declarations.add::<ClientEnvelope>();
    declarations.add::<ServerMessage>();
    let mut text = String::from(HEADER);
    text.push_str(&format!(
        "\n/** Version of the client protocol. */\nexport const PROTOCOL_VERSION = {PROTOCOL_VERSION};\n"
    ));
    for declaration in declarations.by_name.values() {
        text.push('\n');
        for line in declaration.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

#[test]
fn committed_typescript_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GENERATED);
    let expected = typescript();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::create_dir_all(path.parent().expect("the file lies in a folder"))
            .expect("folder is writable");
        std::fs::write(&path, &expected).expect("file is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == expected,
        "{GENERATED} differs from the Rust types; write it anew with\n\
         UPDATE_GENERATED=1 cargo test -p protocol --test typescript"
    );
}
