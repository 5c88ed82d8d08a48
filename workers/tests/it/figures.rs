//! The metrics of a run, as a scraper reads them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use ledger::audit::audit_in_turn;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::eventually::eventually;
use crate::world::{Post, VISA, World};

/// The recorder of this process; the other tests add to it too, so figures without a sale are only lower bounds.
static RECORDER: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &[0.1, 1.0, 10.0])
        .expect("buckets")
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).expect("the only recorder of this process");
    workers::metrics::describe();
    ledger::metrics::describe();
    payments::metrics::describe();
    admission::metrics::describe();
    handle
});

/// The sample of a metric with these labels, in whatever order they are written.
fn sample(name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let text = RECORDER.render();
    let line = text.lines().find(|line| {
        let named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        named && labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
    })?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_read_from_its_metrics() {
    LazyLock::force(&RECORDER);
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let id = sale.id.to_string();
    let order = world.orders(&sale, 2).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;

    assert_eq!(sample("onsale_tickets_issued_total", &[("sale", &id)]), Some(2.0));
    assert_eq!(sample("onsale_orders_total", &[("sale", &id), ("state", "paid")]), Some(1.0));
    assert!(sample("onsale_jobs_total", &[("queue", "stripe"), ("outcome", "done")]) >= Some(1.0));
    assert!(sample("onsale_payment_latency_seconds_count", &[]) >= Some(1.0));
    eventually("the stock is shown", async || {
        let units = |state| sample("onsale_units", &[("sale", &id), ("tier", "ga"), ("state", state)]);
        (units("free"), units("ordered"), units("sold")) == (Some(3.0), Some(0.0), Some(2.0))
    })
    .await;
    eventually("the epoch is shown", async || sample("onsale_redis_epoch", &[("sale", &id)]) == Some(1.0)).await;
    eventually("what paying takes is shown", async || {
        sample("onsale_payment_p99_seconds", &[("sale", &id)]) == Some(40.0)
            && sample("onsale_payment_authorisations", &[("sale", &id)]) == Some(1.0)
    })
    .await;
    for gauge in ["onsale_inbox_pending", "onsale_inbox_oldest_age_seconds", "onsale_mail_configured"] {
        assert!(sample(gauge, &[]).is_some(), "{gauge}");
    }
    for queue in ["stripe", "stock", "mail"] {
        assert!(sample("onsale_jobs_pending", &[("queue", queue)]).is_some(), "{queue}");
        assert!(sample("onsale_dead_letters", &[("queue", queue)]).is_some(), "{queue}");
    }
    for must_be_0 in ["onsale_oversold_units", "onsale_ledger_imbalance"] {
        eventually("the audit ran", async || sample(must_be_0, &[]) == Some(0.0)).await;
    }
    // Asked directly: a round of another test of this process may fail, where a machine is slow.
    audit_in_turn(&world.workers).await.expect("the workers may audit");
    eventually("what was posted is added up", async || {
        let kept = "SELECT count(*) FROM balances WHERE account = 'payment_clearing' AND debits > 0";
        sample("onsale_balances_lag_seconds", &[]).is_some() && world.database.number(kept).await.unwrap() == 1
    })
    .await;
    every_metric_says_what_it_means();
    workers.stop().await;
}

fn every_metric_says_what_it_means() {
    let text = RECORDER.render();
    let named = |comment: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(comment));
        lines.map(|line| line.split(' ').next().expect("a name").to_owned()).collect()
    };
    assert_eq!(named("# TYPE "), named("# HELP "));
}
