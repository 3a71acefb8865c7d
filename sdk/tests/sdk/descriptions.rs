//! The list of commands, as `palisade build` writes it into the manifest.

use palisade_sdk::__private::{CommandDescription, Encoding, Plugin};
use palisade_sdk::{data, json, plugin};

/// Two numbers.
#[data]
pub struct Pair {
    /// The first.
    left: u8,
    right: Option<u8>,
}

#[derive(palisade_sdk::serde::Serialize, palisade_sdk::serde::Deserialize)]
#[serde(crate = "palisade_sdk::serde")]
pub struct Plain<'a>(&'a str);

#[derive(Default)]
pub struct Described;

#[plugin]
impl Described {
    /// Adds two
    /// numbers.
    ///
    /// Slowly.
    #[command(idempotent)]
    pub fn add(&self, input: Pair) -> Result<u16, String> {
        Ok(u16::from(input.left) + u16::from(input.right.unwrap_or(0)))
    }

    #[command]
    pub fn plain<'a>(&self, input: Plain<'a>) -> Plain<'a> {
        input
    }

    #[command]
    pub fn shout(&self, input: &[u8]) -> Vec<u8> {
        input.to_vec()
    }

    #[command]
    pub fn count(&self, input: &[u8]) -> usize {
        input.len()
    }

    #[command]
    pub fn nothing(&self) {}
}

fn described(name: &str) -> Option<CommandDescription> {
    Described::describe()
        .commands
        .into_iter()
        .find(|command| command.name == name)
}

#[test]
fn commands_stand_in_source_order() {
    let names: Vec<_> = Described::describe()
        .commands
        .into_iter()
        .map(|command| command.name)
        .collect();
    assert_eq!(names, Described::COMMANDS);
}

#[test]
fn a_typed_command_has_description_and_schemas() {
    let expected = json!({
        "name": "add",
        "description": "Adds two numbers.\n\nSlowly.",
        "input_schema": {
            "title": "Pair",
            "description": "Two numbers.",
            "type": "object",
            "properties": {
                "left": {"description": "The first.", "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
                "right": {"type": ["integer", "null"], "format": "uint8", "minimum": 0, "maximum": 255},
            },
            "required": ["left"],
        },
        "output_schema": {"title": "uint16", "type": "integer", "format": "uint16", "minimum": 0, "maximum": 65535},
        "idempotent": true,
        "encoding": "json",
    });
    assert_eq!(
        palisade_sdk::serde_json::to_value(described("add").unwrap()).unwrap(),
        expected
    );
}

#[test]
fn a_type_without_a_schema_is_still_an_argument() {
    let plain = described("plain").unwrap();
    assert_eq!(
        (plain.input_schema, plain.output_schema, plain.encoding),
        (None, None, Encoding::Json)
    );
    assert_eq!(
        described("nothing").unwrap(),
        CommandDescription {
            name: "nothing".into(),
            ..CommandDescription::default()
        }
    );
}

#[test]
fn bytes_are_described_as_bytes() {
    let (shout, count) = (described("shout").unwrap(), described("count").unwrap());
    assert_eq!(
        (shout.input_schema, shout.output_schema, shout.encoding),
        (None, None, Encoding::Bytes)
    );
    assert_eq!((count.input_schema, count.encoding), (None, Encoding::Bytes));
    assert_eq!(count.output_schema.unwrap()["type"], "integer");
}
