//! The compose file, the image and the script that sets them up, without an engine: what they say fits together and the program.

mod file;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::world::ONSALE;

/// What the admin address takes at the end of a process, and what it takes to be gone.
const END_MARGIN: Duration = Duration::from_secs(10);
/// What is read from the environment beside what `--help` names.
const LOG_FILTER: &str = "RUST_LOG";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A folder with the compose file and what sets it up; gone with this.
struct Installation(PathBuf);

impl Installation {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("onsale-compose-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(folder.join("deploy")).unwrap();
        for path in ["docker-compose.yml", "deploy/setup.sh", "deploy/env.example"] {
            fs::copy(root().join(path), folder.join(path)).unwrap();
        }
        Self(folder)
    }

    fn sets_up(&self, arguments: &[&str]) -> Output {
        Command::new("sh").arg(self.0.join("deploy/setup.sh")).args(arguments).output().unwrap()
    }

    /// Says what only people know.
    fn is_told(&self, secrets: &[(&str, &str)], variables: &str) {
        for (name, secret) in secrets {
            fs::write(self.secret(name), secret).unwrap();
        }
        fs::write(self.0.join(".env"), variables).unwrap();
    }

    fn secret(&self, name: &str) -> PathBuf {
        self.0.join("deploy/secrets").join(name)
    }

    fn file(&self) -> Value {
        let variables = file::variables(&fs::read_to_string(self.0.join(".env")).unwrap());
        file::read(&fs::read_to_string(self.0.join("docker-compose.yml")).unwrap(), &variables).unwrap()
    }

    /// What a service of ours has in its environment, its secrets where they are here.
    fn environment(&self, file: &Value, service: &str) -> BTreeMap<String, String> {
        let given = file["services"][service]["environment"].as_object().unwrap();
        let here = |value: &str| match value.strip_prefix("/run/secrets/") {
            Some(name) => self.secret(name).to_str().unwrap().to_owned(),
            None => value.to_owned(),
        };
        given.iter().map(|(name, value)| (name.clone(), here(value.as_str().unwrap()))).collect()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // What cannot be removed is in the temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn demo() -> (Installation, Value) {
    let installation = Installation::new();
    let done = installation.sets_up(&["demo"]);
    assert!(done.status.success(), "{done:?}");
    let file = installation.file();
    (installation, file)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn checks(service: &str, environment: &BTreeMap<String, String>) -> Output {
    Command::new(ONSALE).args(["config", "check", service]).env_clear().envs(environment).output().unwrap()
}

#[test]
fn the_compose_file_keeps_every_rule_and_each_rule_finds_what_breaks_it() {
    let (installation, file) = demo();
    assert_eq!(rules::faults(&file, &root()), [""; 0]);

    let text = text("docker-compose.yml");
    let variables = file::variables(&fs::read_to_string(installation.0.join(".env")).unwrap());
    let breaks = [
        ("    shm_size: 256m", "    shm_sise: 256m", "postgres: shm_sise is no key"),
        ("  timeout: 6s", "  time_out: 6s", "gateway: time_out is no key"),
        ("    context: .", "    kontext: .", "migrate: kontext is no key"),
        ("\nnetworks:\n", "\nnets: {}\nnetworks:\n", "the file: nets is no key"),
        ("prom/prometheus:v3.13.3", "prom/prometheus:latest", "prometheus: prom/prometheus:latest is not pinned"),
        ("redis:7.4.9-alpine", "redis:7-alpine", "redis: redis:7-alpine is not pinned"),
        ("  user: \"65532:65532\"", "  user: \"0:0\"", "workers: may be root"),
        ("    user: redis\n", "", "redis: may be root"),
        ("  read_only: true", "  read_only: false", "grafana: may write where nothing is kept"),
        ("  cap_drop: [ALL]", "  cap_drop: []", "k6: has capabilities"),
        ("no-new-privileges:true", "label:disable", "stripe: may gain privileges"),
        ("127.0.0.1:9090:9090", "9090:9090", "prometheus: 9090:9090 is published"),
        ("    shm_size: 256m", "    ports: [\"127.0.0.1:5432:5432\"]", "postgres: 127.0.0.1:5432:5432 is published"),
        ("    networks: [watch]", "    networks: [wach]", "prometheus: networks has no wach"),
        ("    secrets: [redis_conf]", "    secrets: [redis_config]", "redis: secrets has no redis_config"),
        (
            "    secrets: [postgres_password]\n",
            "",
            "postgres: POSTGRES_PASSWORD_FILE names a secret that is not mounted",
        ),
        ("[\"redis:/data\"]", "[\"radis:/data\"]", "redis: volumes has no radis"),
        ("./loadtest:/loadtest:ro", "./loadtests:/loadtest:ro", "k6: ./loadtests is not there"),
        ("./loadtest:/loadtest:ro", "./loadtest:/loadtest", "k6: ./loadtest may be written"),
        ("      prometheus: { condition", "      loki: { condition", "grafana: depends on loki, which is not there"),
        (
            "      prometheus: { condition: service_healthy }",
            "      stripe: { condition: service_healthy }",
            "grafana: depends on stripe, which may be left out",
        ),
        (
            "migrate: { condition: service_completed_successfully }",
            "migrate: { condition: service_healthy }",
            "gateway: migrate cannot be service_healthy",
        ),
        (
            "redis: { condition: service_healthy }",
            "redis: { condition: service_completed_successfully }",
            "workers: redis cannot be service_completed_successfully",
        ),
        (
            "migrate: { condition: service_completed_successfully }",
            "postgres: { condition: service_healthy }",
            "migrate: ends, and nobody waits for it",
        ),
        ("\n  watch:\n", "\n  watch:\n  spare:\n", "networks: nobody uses spare"),
    ];
    for (kept, broken, fault) in breaks {
        assert!(text.contains(kept), "{kept}");
        let file = file::read(&text.replace(kept, broken), &variables).unwrap();
        let found = rules::faults(&file, &root());
        assert!(found.iter().any(|found| found == fault), "{fault} is not in {found:#?}");
    }
    let unreadable = [
        ("    shm_size: 256m", "    shm_size: 256m\n    shm_size: 512m", "shm_size is there twice"),
        ("<<: *onsale", "<<: *offsale", "nchor"),
    ];
    for (kept, broken, fault) in unreadable {
        let refused = file::read(&text.replace(kept, broken), &variables).unwrap_err();
        assert!(refused.contains(fault), "{refused}");
    }
    let refused = file::read(&text, &BTreeMap::new()).unwrap_err();
    assert!(refused.contains("is not set"), "{refused}");
}

#[test]
fn every_variable_of_a_service_is_one_that_the_program_reads() {
    let (installation, file) = demo();
    let known: BTreeSet<_> = crate::house_rules::help().into_keys().chain([LOG_FILTER.to_owned()]).collect();
    let ours = file["services"].as_object().unwrap().iter().filter(|(_, service)| service["build"].is_object());
    let mut configured = BTreeSet::new();
    for (name, service) in ours.filter(|(_, service)| service["environment"].is_object()) {
        let environment = installation.environment(&file, name);
        let strange: Vec<_> = environment.keys().filter(|variable| !known.contains(*variable)).collect();
        assert!(strange.is_empty(), "{name}: nothing reads {strange:?}");
        let which = service["command"][0].as_str().unwrap().replace("sandbox", "migrate");
        let checked = checks(&which, &environment);
        assert_eq!(checked.status.code(), Some(0), "{name}: {}", said(&checked));
        configured.insert(name.as_str());

        let mut misspelt = environment.clone();
        misspelt.insert("ONSALE_PUBLIC_ULR".to_owned(), "http://localhost:8080".to_owned());
        let checked = checks(&which, &misspelt);
        assert_eq!(checked.status.code(), Some(64), "{name}");
        assert!(said(&checked).contains("ONSALE_PUBLIC_ULR: nothing reads it"), "{}", said(&checked));
    }
    assert_eq!(configured, BTreeSet::from(["gateway", "migrate", "sale", "workers"]));
    let mut misspelt = installation.environment(&file, "workers");
    misspelt.insert("ONSALE_PUBLIC_ULR".to_owned(), String::new());
    starts_with_a_warning("workers", &misspelt);

    let gateway = said(&checks("gateway", &installation.environment(&file, "gateway")));
    for line in [
        "admin address    0.0.0.0:9464",
        "Stripe API       http://stripe:12111",
        "Stripe.js        http://localhost:12111",
    ] {
        assert!(gateway.contains(line), "{line} is not in {gateway}");
    }
    let workers = said(&checks("workers", &installation.environment(&file, "workers")));
    assert!(workers.contains("mail             sent") && workers.contains("0.0.0.0:9465"), "{workers}");
}

/// Where a check fails, a process that is started only warns: what it then misses are the stores, which are not there.
fn starts_with_a_warning(process: &str, environment: &BTreeMap<String, String>) {
    let mut command = Command::new(ONSALE);
    let mut started = command
        .arg(process)
        .env_clear()
        .envs(environment)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(started.stderr.take().unwrap()).lines().map_while(Result::ok);
    let warned = lines.any(|line| line.contains("ONSALE_PUBLIC_ULR") && line.contains("WARN"));
    started.kill().unwrap();
    started.wait().unwrap();
    assert!(warned);
}

/// What the script leaves to people is all that is missing, and what it makes it makes once.
#[test]
fn setting_up_asks_for_what_only_people_know_and_keeps_what_is_there() {
    let installation = Installation::new();
    let asked = installation.sets_up(&[]);
    assert_eq!(asked.status.code(), Some(1));
    let people_know = [
        "stripe_secret_key",
        "stripe_webhook_secret",
        "smtp_url",
        "ONSALE_PUBLIC_URL",
        "STRIPE_PUBLISHABLE_KEY",
        "MAIL_FROM",
    ];
    let asked = said(&asked);
    assert_eq!(asked.lines().count(), people_know.len(), "{asked}");
    for name in people_know {
        assert!(asked.contains(name), "{name} is not in {asked}");
    }
    let made = ["database_url", "redis_url", "signing_keys", "ticket_keys", "redis_conf", "postgres_password"];
    let before = made.map(|name| fs::read_to_string(installation.secret(name)).unwrap());
    installation.is_told(
        &[
            ("stripe_secret_key", "sk_live_1"),
            ("stripe_webhook_secret", "whsec_1"),
            ("smtp_url", "smtps://user:secret@mail.example.com"),
        ],
        "ONSALE_PUBLIC_URL=https://tickets.example.com\nSTRIPE_PUBLISHABLE_KEY=pk_live_1\nMAIL_FROM=tickets@example.com\n",
    );
    let done = installation.sets_up(&[]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(made.map(|name| fs::read_to_string(installation.secret(name)).unwrap()), before);
    assert_eq!(installation.sets_up(&["production"]).status.code(), Some(64));

    let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(rights(&installation.0.join("deploy/secrets")), 0o700);
    assert_eq!(rights(&installation.secret("signing_keys")), 0o444);

    let file = installation.file();
    for process in ["gateway", "workers"] {
        let checked = checks(process, &installation.environment(&file, process));
        let told = said(&checked);
        assert_eq!(checked.status.code(), Some(0), "{told}");
        assert!(told.contains("Stripe API       https://api.stripe.com/"), "{told}");
        for secret in before.iter().map(|secret| secret.trim()).chain(["sk_live_1", "whsec_1", "user:secret"]) {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[test]
fn a_stop_leaves_more_time_than_a_drain_takes() {
    let (_installation, file) = demo();
    let grace = |service: &str| {
        let grace = file["services"][service]["stop_grace_period"].as_str().unwrap().strip_suffix('s').unwrap();
        Duration::from_secs(grace.parse().unwrap())
    };
    let drain = gateway::Drain::default();
    assert!(grace("gateway") >= drain.sockets_spread + drain.requests_max + END_MARGIN);
    assert!(grace("workers") >= workers::WorkersConfig::default().drain_max + END_MARGIN);
}

/// Where the programs are, of all crates, so that the skeleton of the image has every one.
fn roots_of_crates() -> Vec<String> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let targets = packages.flat_map(|package| package["targets"].as_array().unwrap());
    let relative = |target: &Value| {
        let path = Path::new(target["src_path"].as_str().unwrap());
        format!("./{}", path.strip_prefix(root()).unwrap().display())
    };
    targets.map(relative).collect()
}

#[test]
fn the_image_is_built_from_what_is_locked_and_its_skeleton_has_every_crate() {
    let dockerfile = text("Dockerfile");
    let patterns: Vec<_> = dockerfile.split("! -path '").skip(1).map(|rest| rest.split('\'').next().unwrap()).collect();
    let roots = roots_of_crates();
    assert!(roots.len() > 20, "{roots:?}");
    for path in &roots {
        assert!(patterns.iter().any(|pattern| matches(pattern, path)), "{path} is not in the skeleton: {patterns:?}");
    }
    assert!(!patterns.iter().any(|pattern| matches(pattern, "./domain/src/sale.rs")), "{patterns:?}");

    let builds: Vec<_> = dockerfile.lines().filter(|line| line.contains("cargo build")).collect();
    assert!(builds.len() == 2 && builds.iter().all(|line| line.contains("--locked")), "{builds:?}");
    let manifest = text("Cargo.toml");
    let version = |key: &str| {
        let line = manifest.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches([' ', '=', '"']).to_owned()
    };
    assert!(
        dockerfile.contains(&format!("FROM rust:{}.0-bookworm ", version("rust-version"))),
        "not the toolchain of the workspace"
    );
    assert!(dockerfile.contains(&format!("ARG VERSION={}\n", version("version"))), "not the version of the workspace");
    let last = dockerfile.rsplit("\nFROM ").next().unwrap();
    assert!(last.starts_with("gcr.io/distroless/cc-debian12:nonroot\n"), "{last}");
    assert!(
        last.contains("\nUSER 65532:65532\n") && last.contains("\nENTRYPOINT [\"/usr/local/bin/onsale\"]\n"),
        "{last}"
    );

    let ignored = text(".dockerignore");
    let ignored: BTreeSet<_> = ignored.lines().collect();
    for kept_out in [".env", "deploy", ".git", "**/target"] {
        assert!(ignored.contains(kept_out), "{kept_out} is sent to the engine");
    }
    let folder = |path: &String| path.split('/').nth(1).unwrap().to_owned();
    assert!(roots.iter().map(folder).all(|folder| !ignored.contains(folder.as_str())), "{ignored:?}");
}

/// As `find -path` matches: a star is anything, slashes too.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => path
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|skipped| matches(after, &rest[skipped..]))),
    }
}

/// Asks the reference where it is installed; it needs no engine for this.
#[test]
fn docker_compose_takes_the_file_where_there_is_one() {
    let docker = |arguments: &[&str], folder: &Path| {
        Command::new("docker").arg("compose").args(arguments).current_dir(folder).output()
    };
    let (installation, _) = demo();
    let there = docker(&["version"], &installation.0).is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("no docker compose here: its own check is left out");
        return;
    }
    let checked = docker(&["--profile", "demo", "--profile", "load", "config", "--quiet"], &installation.0).unwrap();
    assert!(checked.status.success(), "{checked:?}");
}
