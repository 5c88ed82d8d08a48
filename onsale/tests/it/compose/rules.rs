//! What a compose file must keep: the specification's words, references that lead somewhere, and what ours promises.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

const OF_FILE: [&str; 5] = ["name", "services", "networks", "volumes", "secrets"];
/// Of what the specification knows, what is used; a word that is missing here is looked up there first.
const OF_SERVICE: [&str; 22] = [
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "environment",
    "healthcheck",
    "image",
    "logging",
    "networks",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "ulimits",
    "user",
    "volumes",
];
const OF_HEALTHCHECK: [&str; 6] = ["test", "interval", "timeout", "retries", "start_period", "start_interval"];
const OF_BUILD: [&str; 4] = ["context", "dockerfile", "args", "target"];
/// The only one that may be published beyond this machine; by default it is not, either.
const EDGE: &str = "gateway";
/// Where people look, on this machine only.
const ON_LOOPBACK: [&str; 5] = ["gateway", "grafana", "mail", "prometheus", "stripe"];

/// Everything that is wrong, each with where it is.
pub(super) fn faults(file: &Value, root: &Path) -> Vec<String> {
    let mut found = unknown_keys("the file", object(file), &OF_FILE);
    for (name, service) in object(&file["services"]) {
        let of_service = [
            unknown_keys(name, object(service), &OF_SERVICE),
            unknown_keys(name, object(&service["healthcheck"]), &OF_HEALTHCHECK),
            unknown_keys(name, object(&service["build"]), &OF_BUILD),
            image(name, service),
            confinement(name, service),
            ports(name, service),
            references(name, service, file),
            mounts(name, service, file, root),
            dependencies(name, service, file),
            one_shot(name, service, file),
        ];
        found.extend(of_service.concat());
    }
    found.extend(unused(file));
    found
}

fn object(value: &Value) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&EMPTY)
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// What begins with `x-` is the writer's own.
fn unknown_keys(whose: &str, keys: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    let is_known = |key: &str| known.contains(&key) || key.starts_with("x-");
    keys.keys().filter(|key| !is_known(key)).map(|key| format!("{whose}: {key} is no key")).collect()
}

/// An exact version, so that the same file means the same programs tomorrow; what is built here has any name.
fn image(name: &str, service: &Value) -> Vec<String> {
    let image = service["image"].as_str().unwrap_or_default();
    let (program, tag) = image.rsplit_once(':').unwrap_or((image, ""));
    let numbers = if program == "postgres" { 2 } else { 3 };
    let version = tag.trim_start_matches('v').split('-').next().unwrap_or_default();
    let exact = version.split('.').filter(|number| number.parse::<u32>().is_ok()).count() == numbers;
    if service["build"].is_object() || exact { Vec::new() } else { vec![format!("{name}: {image} is not pinned")] }
}

fn confinement(name: &str, service: &Value) -> Vec<String> {
    let user = service["user"].as_str().unwrap_or_default();
    let asked = [
        (!user.is_empty() && user != "root" && !user.starts_with('0'), "may be root"),
        (service["read_only"] == true, "may write where nothing is kept"),
        (words(&service["cap_drop"]) == ["ALL"], "has capabilities"),
        (words(&service["security_opt"]).contains(&"no-new-privileges:true"), "may gain privileges"),
        (service["healthcheck"].is_object() || service["restart"] != "unless-stopped", "is not asked how it is"),
    ];
    asked.iter().filter(|(kept, _)| !kept).map(|(_, fault)| format!("{name}: {fault}")).collect()
}

fn ports(name: &str, service: &Value) -> Vec<String> {
    let beyond = |port: &&str| !(port.starts_with("127.0.0.1:") && ON_LOOPBACK.contains(&name)) && name != EDGE;
    words(&service["ports"])
        .iter()
        .filter(|port| beyond(port))
        .map(|port| format!("{name}: {port} is published"))
        .collect()
}

fn references(name: &str, service: &Value, file: &Value) -> Vec<String> {
    let of = |kind: &str| {
        let known = object(&file[kind]);
        let missing = words(&service[kind]).into_iter().filter(|used| !known.contains_key(*used)).map(str::to_owned);
        missing.map(|used| format!("{name}: {kind} has no {used}")).collect::<Vec<_>>()
    };
    let mut found = [of("networks"), of("secrets")].concat();
    for (variable, value) in object(&service["environment"]) {
        let secret = value.as_str().and_then(|value| value.strip_prefix("/run/secrets/"));
        if secret.is_some_and(|secret| !words(&service["secrets"]).contains(&secret)) {
            found.push(format!("{name}: {variable} names a secret that is not mounted"));
        }
    }
    found
}

fn mounts(name: &str, service: &Value, file: &Value, root: &Path) -> Vec<String> {
    let fault = |mount: &&str| {
        let (source, rest) = mount.split_once(':')?;
        match source.strip_prefix("./") {
            Some(path) if !root.join(path).exists() => Some(format!("{name}: {source} is not there")),
            Some(_) if !rest.ends_with(":ro") => Some(format!("{name}: {source} may be written")),
            None if !object(&file["volumes"]).contains_key(source) => Some(format!("{name}: volumes has no {source}")),
            _ => None,
        }
    };
    words(&service["volumes"]).iter().filter_map(fault).collect()
}

/// Whoever is waited for can be waited for: by a healthcheck, or by its end.
fn dependencies(name: &str, service: &Value, file: &Value) -> Vec<String> {
    let fault = |(on, how): (&String, &Value)| {
        let there = object(&file["services"]).get(on);
        let Some(there) = there else { return Some(format!("{name}: depends on {on}, which is not there")) };
        let (asked, profiled) = (there["healthcheck"].is_object(), there["profiles"].is_array());
        match how["condition"].as_str() {
            _ if profiled && service["profiles"] != there["profiles"] => {
                Some(format!("{name}: depends on {on}, which may be left out"))
            }
            Some("service_healthy") if asked => None,
            Some("service_completed_successfully") if !asked => None,
            condition => Some(format!("{name}: {on} cannot be {}", condition.unwrap_or("waited for"))),
        }
    };
    object(&service["depends_on"]).iter().filter_map(fault).collect()
}

/// `up --wait` takes an end for a failure, unless somebody waits for it. Who is only run by name has a profile of its own.
fn one_shot(name: &str, service: &Value, file: &Value) -> Vec<String> {
    let ends = !service["healthcheck"].is_object();
    let waits = |other: &Value| other["depends_on"][name]["condition"] == "service_completed_successfully";
    let awaited = object(&file["services"]).values().any(waits);
    let by_name = words(&service["profiles"]) == ["load"];
    if ends && !awaited && !by_name { vec![format!("{name}: ends, and nobody waits for it")] } else { Vec::new() }
}

fn unused(file: &Value) -> Vec<String> {
    let services = object(&file["services"]);
    let mut found = Vec::new();
    for kind in ["networks", "secrets", "volumes"] {
        let used: BTreeSet<_> = services.values().flat_map(|service| words(&service[kind])).collect();
        let is_used = |name: &str| used.iter().any(|used| used.split(':').next() == Some(name));
        found.extend(
            object(&file[kind]).keys().filter(|name| !is_used(name)).map(|name| format!("{kind}: nobody uses {name}")),
        );
    }
    found
}
