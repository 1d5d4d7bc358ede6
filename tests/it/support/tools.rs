//! Kafka's command line tools in one JVM that runs one after the other (`tests/clients/java/ManyTools.java`).

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::place;

/// A JVM that waits for the next tool to run; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Tools {
    child: Child,
    commands: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// True if the tools can be run here. If not, a test that needs them is skipped, or fails if `CORELOG_REQUIRE_CLIENTS` is set.
pub(crate) fn installed() -> bool {
    let found = super::kafka::installed() && place::cache().join("java-member/ManyTools.class").exists();
    if !found {
        super::client_program::missing("the tools of Kafka in one JVM");
    }
    found
}

impl Tools {
    pub(crate) fn start() -> Self {
        let cache = place::cache();
        let classes = format!("{}:{}/*", cache.join("java-member").display(), cache.join("kafka-4.3.0").display());
        let logging = place::root().join("tests/support/log4j2-tools.properties");
        let mut child = Command::new("java")
            .args(["-Xmx384M", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .args(["-cp", &classes, "ManyTools"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, commands, output }
    }

    /// Runs a tool with arguments that hold no spaces; all that it prints, and its exit code in the last line.
    pub(crate) fn run(&mut self, class: &str, arguments: &[&str]) -> Vec<String> {
        writeln!(self.commands, "{class} {}", arguments.join(" ")).unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the JVM of the tools ended: {lines:?}");
            let line = line.trim_end().to_owned();
            let last = line.starts_with("exit ");
            if !line.is_empty() {
                lines.push(line);
            }
            if last {
                return lines;
            }
        }
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
