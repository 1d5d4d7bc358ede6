//! The keys about listeners, which only make sense together (KafkaConfig.scala, SocketServerConfigs.java).

use super::{Layers, Listener, broker::Read};

/// What is listened on and what is advertised, in the same order; problems go into `layers`.
pub(super) fn read(layers: &mut Layers) -> (Vec<Listener>, Vec<Listener>) {
    let all = parse(layers, "listeners");
    let controllers = controller_names(layers, &all);
    let opened: Vec<_> = all.iter().filter(|listener| !controllers.contains(&listener.name)).cloned().collect();
    check_protocols(layers, &opened);
    if opened.is_empty() {
        layers.problem("listeners", "must hold at least one listener for clients, besides those of controllers");
    }
    let advertised = if layers.get("advertised.listeners").is_some() {
        read_advertised(layers, &all, &opened)
    } else {
        if let Some(anywhere) = opened.iter().find(|listener| listener.is_unspecified()) {
            let text = format!("{anywhere} cannot be connected to: set advertised.listeners to where clients reach it");
            layers.problem("listeners", text);
        }
        opened.clone()
    };
    let inter_broker = Read(layers).text("inter.broker.listener.name");
    if !inter_broker.is_empty() && !opened.iter().any(|listener| listener.name.eq_ignore_ascii_case(&inter_broker)) {
        layers.problem("inter.broker.listener.name", "must be one of listeners that is not for controllers");
    }
    (opened, advertised)
}

fn parse(layers: &mut Layers, key: &str) -> Vec<Listener> {
    let mut found: Vec<Listener> = Vec::new();
    for entry in Read(layers).list(key) {
        match Listener::parse(&entry) {
            Ok(listener) if found.iter().any(|earlier| earlier.name == listener.name) => {
                layers.problem(key, format!("the name {} stands twice", listener.name));
            }
            Ok(listener) if key == "listeners" && is_taken(&found, &listener) => {
                layers.problem(key, format!("the port {} stands twice", listener.port));
            }
            Ok(listener) => found.push(listener),
            Err(problem) => layers.problem(key, problem),
        }
    }
    found
}

fn is_taken(found: &[Listener], listener: &Listener) -> bool {
    let clashes = |earlier: &Listener| {
        let anywhere = |one: &Listener| one.host.is_empty() || one.is_unspecified();
        earlier.port == listener.port && (earlier.host == listener.host || anywhere(earlier) || anywhere(listener))
    };
    listener.port != 0 && found.iter().any(clashes)
}

fn controller_names(layers: &mut Layers, all: &[Listener]) -> Vec<String> {
    let names: Vec<_> =
        Read(layers).list("controller.listener.names").iter().map(|name| name.to_ascii_uppercase()).collect();
    for listener in all.iter().filter(|listener| names.contains(&listener.name)) {
        let text = format!("{listener} is not opened: the only controller is in this process");
        layers.notice("listeners", text);
    }
    names
}

/// The name of every listener that is opened must stand for PLAINTEXT.
fn check_protocols(layers: &mut Layers, opened: &[Listener]) {
    const KEY: &str = "listener.security.protocol.map";
    let mut map = Vec::new();
    for entry in Read(layers).text(KEY).split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        match entry.split_once(':') {
            Some((name, protocol)) if matches!(protocol, "PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL") => {
                map.push((name.to_ascii_uppercase(), protocol.to_owned()));
            }
            _ => layers.problem(
                KEY,
                format!("{entry:?} must be a listener name, a colon and PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
            ),
        }
    }
    for listener in opened {
        match map.iter().find(|(name, _)| *name == listener.name) {
            Some((_, protocol)) if protocol == "PLAINTEXT" => {}
            Some((name, protocol)) => {
                let text = format!("{name} has the security protocol {protocol}: only PLAINTEXT is supported yet");
                layers.problem("listeners", text);
            }
            None => {
                layers.problem("listeners", format!("{KEY} has no security protocol for {}", listener.name));
            }
        }
    }
}

fn read_advertised(layers: &mut Layers, all: &[Listener], opened: &[Listener]) -> Vec<Listener> {
    const KEY: &str = "advertised.listeners";
    let advertised = parse(layers, KEY);
    for listener in &advertised {
        if !all.iter().any(|known| known.name == listener.name) {
            layers.problem(KEY, format!("{} is not in listeners", listener.name));
        }
        if listener.is_unspecified() {
            layers.problem(KEY, format!("{listener} cannot be connected to: name a host that clients can reach"));
        }
    }
    let mut found = Vec::new();
    for listener in opened {
        match advertised.iter().find(|known| known.name == listener.name) {
            Some(known) => found.push(known.clone()),
            // As in Kafka, what is not advertised can be connected to but is told to nobody.
            None => layers.notice(KEY, format!("{listener} is opened but not advertised")),
        }
    }
    if found.is_empty() && !opened.is_empty() {
        layers.problem(KEY, "must hold at least one listener for clients");
    }
    found
}
