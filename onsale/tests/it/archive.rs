//! The archive of a closed sale, made and checked by the steps of `docs/operations.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use http::{Method, StatusCode};
use sandbox::Database;
use serde_json::{Value, json};

use crate::world::{ONSALE, World};

/// What the page tells an operator to run.
const ARCHIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/archive.sh");

/// A directory of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("onsale-archive-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind is in a directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn archive(act: &str, database: &str, sale: &str, directory: &Path) -> Output {
    Command::new(ARCHIVE)
        .args([act, sale])
        .arg(directory)
        .env_remove("REDIS_URL")
        .envs([("DATABASE_URL", database), ("ONSALE", ONSALE)])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A sale with two tickets, one of them given back, that is over.
async fn sold_and_closed(world: &World) -> String {
    let sale = world.sells(5).await;
    world.has_bought(&sale).await;
    let (_, order) = world.has_bought(&sale).await;
    let refund = json!({ "whole": true, "reason": "the view" });
    let path = format!("sales/{sale}/orders/{}/refunds", order.id);
    world.organizer.asks(Method::POST, &path, &refund).await.unwrap().expect(StatusCode::CREATED).unwrap();
    world.waits_until_counted("SELECT count(*) FROM refunds WHERE state = 'succeeded'", |count| count == 1).await;
    world.waits_until_counted("SELECT count(*) FROM outbox WHERE state = 'pending'", |count| count == 0).await;
    let early = Folder::new();
    let refused = archive("write", &world.database.url, &sale, &early.0.join("archive"));
    assert!(!refused.status.success() && said(&refused).contains("the sale is published"), "{}", said(&refused));
    assert_eq!(fs::read_dir(&early.0).unwrap().count(), 0, "nothing is left of it");
    let path = format!("sales/{sale}/close");
    world.organizer.asks(Method::POST, &path, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    sale
}

/// An empty database of the same cluster.
async fn empty(world: &World, name: &str) -> String {
    world.database.execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    world.postgres.url(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_sale_is_archived_and_what_was_changed_in_its_archive_is_told() {
    let world = World::start().await;
    let sale = sold_and_closed(&world).await;
    let other = world.sells(3).await;
    world.has_bought(&other).await;
    let folder = Folder::new();
    let directory = folder.0.join("archive");
    let written = archive("write", &world.database.url, &sale, &directory);
    assert!(written.status.success(), "{}", said(&written));
    let all: String =
        fs::read_dir(&directory).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(!all.contains("@example.com") && !all.contains(&other[5..]), "no buyer, and nobody else's sale");

    let url = empty(&world, "whole").await;
    let verified = archive("verify", &url, &sale, &directory);
    assert!(verified.status.success(), "{}", said(&verified));
    // There is no Redis beside an archive, and an audit that does not compare it says so.
    let skipped = "redis was not compared: REDIS_URL is not set";
    assert!(said(&verified).contains(skipped) && !world.audit().1.contains(skipped), "{}", said(&verified));
    let (archived, of_sale) = (Database::at(url, "whole".to_owned()), format!("'{}'", &sale[5..]));
    for counted in ["transfers", "entries", "orders", "tickets", "refunds", "refund_tickets", "units", "audit_log"] {
        let count = format!("SELECT count(*) FROM {counted} WHERE sale_id = {of_sale}");
        let rows = archived.number(&count).await.unwrap();
        assert!(rows > 0 && rows == world.counts(&count).await, "{counted}: {rows}");
    }

    let entries = directory.join("entries.rows");
    let rows = fs::read_to_string(&entries).unwrap();
    let changed = rows.replacen("\tplatform_fee\teur\t-", "\tplatform_fee\teur\t-1", 1);
    assert_ne!(rows, changed);
    fs::write(&entries, changed).unwrap();
    let told = archive("verify", &empty(&world, "changed").await, &sale, &directory);
    assert!(!told.status.success() && said(&told).contains("not those that were written"), "{}", said(&told));

    let sums = format!("cd {} && sha256sum -- [!S]* >SHA256SUMS", directory.display());
    assert!(Command::new("sh").args(["-c", &sums]).status().unwrap().success());
    let told = archive("verify", &empty(&world, "forged").await, &sale, &directory);
    assert!(!told.status.success() && said(&told).contains("the trial balance is not"), "{}", said(&told));
}
