use super::*;
use uuid::Uuid;

#[test]
fn one_organizer_leaves_room_for_others_and_all_together_are_bounded() {
    let room = Arc::new(ExportRoom::default());
    let somebody = || OrganizerId::from_uuid(Uuid::now_v7());
    let greedy = somebody();
    let mut places: Vec<_> = (0..EXPORTS_OF_ONE_MAX).map(|_| room.enter(greedy).unwrap()).collect();
    assert!(room.enter(greedy).is_none());
    places.extend((places.len()..EXPORTS_MAX).map(|_| room.enter(somebody()).unwrap()));
    assert!(room.enter(somebody()).is_none());
    drop(places.pop());
    assert!(room.enter(greedy).is_none());
    let next = room.enter(somebody());
    assert!(next.is_some());
    places.clear();
    drop(next);
    assert!(room.lock().is_empty() && room.enter(greedy).is_some());
}
