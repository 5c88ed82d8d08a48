use super::*;

fn sheet(number: usize) -> Sheet {
    Sheet {
        sale: "Night".to_owned(),
        when: None,
        venue: String::new(),
        tier: "Standing".to_owned(),
        seat: None,
        holder: Some("Ada".to_owned()),
        order: "ord_1".to_owned(),
        ticket: format!("tkt_{number}"),
        qr_text: format!("CODE{number}"),
        terms: String::new(),
    }
}

#[tokio::test]
async fn a_file_is_drawn_once_and_is_everybodys_own() {
    let (artefacts, tasks) = (Artefacts::new(), TaskTracker::new());
    let first = artefacts.pdf(sheet(1), &tasks).await.unwrap();
    let again = artefacts.pdf(sheet(1), &tasks).await.unwrap();
    assert_eq!(first.as_ptr(), again.as_ptr(), "found, not drawn again");
    let other = Sheet { holder: Some("Bob".to_owned()), ..sheet(1) };
    assert_ne!(artefacts.pdf(other, &tasks).await.unwrap(), first);
}

#[tokio::test]
async fn the_oldest_files_go_first() {
    let artefacts = Artefacts::new();
    for number in 0..=10 {
        artefacts.keep(Arc::new(sheet(number)), Bytes::from(vec![0; BYTES_MAX / 10]));
    }
    assert!(artefacts.found(&sheet(0)).is_none());
    assert!(artefacts.found(&sheet(1)).is_some() && artefacts.found(&sheet(10)).is_some());
    let kept = artefacts.kept();
    assert_eq!((kept.files.len(), kept.oldest.len(), kept.bytes), (10, 10, BYTES_MAX));
}

#[tokio::test(start_paused = true)]
async fn no_file_is_kept_for_long() {
    let artefacts = Artefacts::new();
    artefacts.keep(Arc::new(sheet(1)), Bytes::from_static(b"file"));
    tokio::time::advance(KEPT_MAX / 2).await;
    artefacts.keep(Arc::new(sheet(2)), Bytes::from_static(b"file"));
    tokio::time::advance(KEPT_MAX / 2).await;
    assert!(artefacts.found(&sheet(1)).is_none() && artefacts.found(&sheet(2)).is_some());
    assert_eq!(artefacts.kept().bytes, 4);
}

#[tokio::test]
async fn a_crowd_is_told_to_come_back() {
    let (artefacts, tasks) = (Artefacts::new(), TaskTracker::new());
    let all = artefacts.waiting.clone().try_acquire_many_owned(u32::try_from(WAITING_MAX).unwrap()).unwrap();
    let refused = artefacts.pdf(sheet(1), &tasks).await.unwrap_err();
    assert_eq!(refused.code(), Code::Overloaded);
    drop(all);
    assert!(artefacts.pdf(sheet(1), &tasks).await.is_ok());
}
