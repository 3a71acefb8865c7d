//! `dev`: driven by its input, by the files it watches, and by what it says.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Stdio};

use palisade_tests::Guest;
use serde_json::{Value, json};

use super::Desk;

/// A development host at work.
struct Developing<'a> {
    desk: &'a Desk,
    child: Child,
    input: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    said: Lines<BufReader<ChildStderr>>,
}

impl<'a> Developing<'a> {
    fn start(desk: &'a Desk, arguments: &[&str]) -> Self {
        let temporary = desk.path("tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        let mut command = desk.command();
        command
            .arg("dev")
            .args(arguments)
            .env("TMPDIR", temporary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            desk,
            input: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            said: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        }
    }

    /// Waits until it has said a line with `words`, and answers with all until then.
    #[track_caller]
    fn until(&mut self, words: &str) -> Vec<String> {
        let mut heard = Vec::new();
        for line in self.said.by_ref() {
            heard.push(line.unwrap());
            if heard.last().unwrap().contains(words) {
                return heard;
            }
        }
        panic!("ended before it said {words:?}: {heard:#?}");
    }

    fn ask(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn answer(&mut self, line: &str) -> String {
        self.ask(line);
        self.answers.next().unwrap().unwrap()
    }

    /// Ends its input; answers with the rest of what it said.
    fn end(mut self) -> Vec<String> {
        drop(self.input.take());
        let rest = self.said.by_ref().map(Result::unwrap).collect();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{rest:#?}");
        let left: Vec<_> = std::fs::read_dir(self.desk.path("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        rest
    }
}

impl Drop for Developing<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the folder of a plugin that answers every command with `reply`, and its arguments.
fn write(desk: &Desk, reply: &str, manifest: &Value) {
    let guest = Guest {
        extra: format!(r#"(data (i32.const 64) "{reply}")"#).leak(),
        command: format!("(i64.const {})", (64_u64 << 32) | u64::try_from(reply.len()).unwrap()).leak(),
        ..Guest::default()
    };
    let mut members = json!({"id": "com.acme.draft", "name": "Draft", "version": "0.1.0", "author": "Acme"});
    members
        .as_object_mut()
        .unwrap()
        .extend(manifest.as_object().unwrap().clone());
    // A build may come between the two, so the one that names them is last.
    desk.write("draft/plugin.wat", guest.wat());
    desk.write("draft/plugin.json", members.to_string());
}

#[test]
#[cfg(unix)]
fn ctrl_c_lets_the_plugin_clean_up() {
    let desk = Desk::new();
    write(&desk, "one", &json!({}));
    let mut dev = Developing::start(&desk, &["draft"]);
    dev.until("serving com.acme.draft 0.1.0, generation 1");
    let killed = std::process::Command::new("kill")
        .args(["-INT", &dev.child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    dev.until("disabled");
    assert_eq!(dev.child.wait().unwrap().code(), Some(130));
    let left: Vec<_> = std::fs::read_dir(desk.path("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_change_is_served_and_a_mistake_leaves_what_was_there() {
    let desk = Desk::new();
    write(&desk, "one", &json!({}));
    let mut dev = Developing::start(&desk, &["draft"]);
    let said = dev.until("serving com.acme.draft 0.1.0, generation 1");
    assert!(
        said[0].contains("grants everything that the plugin asks for"),
        "{said:#?}"
    );
    assert_eq!(dev.answer("any"), "one");
    dev.until("executed command=any");

    // The same version once more.
    write(&desk, "two", &json!({}));
    dev.until("serving com.acme.draft 0.1.0, generation 2");
    assert_eq!(dev.answer(r#"any {"a": 1}"#), "two");

    desk.write("draft/plugin.wat", "(module");
    let said = dev.until("still serving com.acme.draft 0.1.0, generation 2");
    assert!(
        said.iter().any(|line| line.contains("error[CORRUPTED_DATA]")),
        "{said:#?}"
    );
    assert!(
        said.iter().any(|line| line.contains("draft/plugin.wat:1:8")),
        "{said:#?}"
    );
    assert_eq!(dev.answer("any"), "two");

    // Compiles, and does not start.
    let crashing = Guest {
        init: "unreachable",
        ..Guest::default()
    };
    desk.write("draft/plugin.wat", crashing.wat());
    let said = dev.until("still serving com.acme.draft 0.1.0, generation 2");
    assert!(said.iter().any(|line| line.contains(" rollback cause=")), "{said:#?}");
    assert_eq!(dev.answer("any"), "two");

    write(&desk, "three", &json!({"version": "0.2.0"}));
    dev.until("serving com.acme.draft 0.2.0, generation ");
    assert_eq!(dev.answer("any"), "three");
    let rest = dev.end();
    assert!(rest.iter().any(|line| line.ends_with(" disabled")), "{rest:#?}");
}

#[test]
fn a_plugin_that_does_not_compile_yet_is_waited_for() {
    let desk = Desk::new();
    desk.write("draft/plugin.wat", "(module");
    desk.write("draft/plugin.json", "{");
    let mut dev = Developing::start(&desk, &["draft"]);
    dev.until("nothing is served; waiting for a change");
    dev.ask("any");
    dev.until("nothing is served yet");
    write(&desk, "one", &json!({}));
    dev.until("serving com.acme.draft 0.1.0, generation 1");
    assert_eq!(dev.answer("any"), "one");
    dev.end();
}

#[test]
fn a_plugin_that_never_started_is_started_once_it_can() {
    let desk = Desk::new();
    write(&desk, "one", &json!({}));
    let crashing = Guest {
        init: "unreachable",
        ..Guest::default()
    };
    desk.write("draft/plugin.wat", crashing.wat());
    let mut dev = Developing::start(&desk, &["draft"]);
    dev.until("nothing is served; waiting for a change");
    write(&desk, "one", &json!({}));
    dev.until("serving com.acme.draft 0.1.0, generation");
    assert_eq!(dev.answer("any"), "one");
    // Under another name it is another plugin.
    write(&desk, "two", &json!({"id": "com.acme.other"}));
    dev.until("serving com.acme.other 0.1.0, generation 1");
    assert_eq!(dev.answer("any"), "two");
    dev.end();
}

#[test]
fn what_is_asked_for_is_granted_unless_it_is_denied() {
    let desk = Desk::new();
    let asks = json!({"permissions": ["storage:read"]});
    write(&desk, "one", &json!({}));
    let mut dev = Developing::start(&desk, &["draft"]);
    dev.until("serving com.acme.draft 0.1.0, generation 1");
    write(&desk, "two", &asks);
    dev.until("serving com.acme.draft 0.1.0, generation 2");
    dev.end();

    write(&desk, "one", &json!({}));
    let mut dev = Developing::start(&desk, &["draft", "--deny", "storage:read"]);
    dev.until("withholds storage:read");
    dev.until("serving com.acme.draft 0.1.0, generation 1");
    write(&desk, "two", &asks);
    let said = dev.until("still serving com.acme.draft 0.1.0, generation 1");
    assert!(said.iter().any(|line| line.contains("PERMISSION_DENIED")), "{said:#?}");
    assert_eq!(dev.answer("any"), "one");
    dev.end();
    desk.run(["dev", "draft", "--deny", "storage:raed"]).exits(5);
}

#[test]
fn commands_of_a_pipe_are_answered_before_the_end() {
    let desk = Desk::new();
    write(&desk, "one", &json!({}));
    let ended = desk.run_with(["dev", "draft"], b"any\n\n  any {}\nany").exits(0);
    assert_eq!(ended.text(), "one\none\none\n");
    let ended = desk.run_with(["dev", "draft", "--json"], b"any\n").exits(0);
    let answer = ended.json();
    assert_eq!(answer["status"], "success");
    assert_eq!(answer["result"]["base64"], "b25l");
    assert!(answer["receipt"]["fuel"].is_u64());
    assert!(
        ended
            .stderr
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{}",
        ended.stderr
    );
    write(&desk, "one", &json!({"commands": [{"name": "greet"}]}));
    let answer = desk.run_with(["dev", "draft", "--json"], b"gret\n").exits(0).json();
    assert_eq!(answer["code"], "INVALID_COMMAND");
}

#[test]
fn a_folder_without_a_plugin_is_a_mistake() {
    let desk = Desk::new();
    desk.run(["dev", "absent"]).exits(3);
    std::fs::create_dir(desk.path("empty")).unwrap();
    desk.run(["dev", "empty"]).exits(3);
}

#[test]
fn the_templates_in_c_and_wat_are_served() {
    let desk = Desk::new();
    desk.run(["new", "small", "--lang", "wat"]).exits(0);
    desk.run(["new", "loud", "--lang", "c"]).exits(0);
    let small = desk.run_with(["dev", "small"], b"echo hi").exits(0);
    assert_eq!(small.text(), "hi\n");
    let loud = desk.run_with(["dev", "loud"], b"shout hi").exits(0);
    // A machine without a C compiler is told so.
    let is_without = loud.stderr.contains("no compiler for C is installed");
    assert!(loud.text() == "HI\n" || is_without, "{}", loud.stderr);
}

#[test]
fn the_template_in_rust_is_served() {
    let desk = Desk::new();
    desk.run(["new", "hello", "--id", "com.acme.hello"]).exits(0);
    let input = br#"greet {"name": "Ada"}"#;
    let hello = desk.run_with(["dev", "hello"], input).exits(0);
    assert_eq!(hello.text(), "{\"greeting\":\"Hello, Ada!\"}\n");
}
