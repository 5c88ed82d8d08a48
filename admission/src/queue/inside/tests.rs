use super::*;

fn deadlines(of: &[(u64, i64)]) -> Deadlines {
    of.iter().map(|(number, second)| (*number, Timestamp::from_second(*second).unwrap())).collect()
}

fn everybody() -> Inside {
    let (turns, shopping) = (deadlines(&[(1, 60), (2, 60)]), deadlines(&[(3, 90)]));
    Inside::default().after(Moves { moved: None, turns, shopping, counts: (2, 1) }).unwrap()
}

#[test]
fn who_moved_is_where_the_moves_say_and_the_others_stay() {
    let (turns, shopping) = (deadlines(&[(4, 70)]), deadlines(&[(2, 95)]));
    let moved = Some(vec![2, 3, 4]);
    let after = everybody().after(Moves { moved, turns, shopping, counts: (2, 1) }).unwrap();
    assert_eq!((&*after.turns, &*after.shopping), (&deadlines(&[(1, 60), (4, 70)]), &deadlines(&[(2, 95)])));
}

#[test]
fn nobody_is_copied_when_nobody_moved() {
    let before = everybody();
    let nothing = Moves { moved: Some(vec![]), turns: Deadlines::new(), shopping: Deadlines::new(), counts: (2, 1) };
    let after = before.after(nothing).unwrap();
    assert!(Arc::ptr_eq(&before.turns, &after.turns) && Arc::ptr_eq(&before.shopping, &after.shopping));
}

#[test]
fn moves_that_do_not_add_up_are_not_believed() {
    let moved = Moves { moved: Some(vec![1]), turns: Deadlines::new(), shopping: Deadlines::new(), counts: (2, 1) };
    assert!(everybody().after(moved).is_none());
}
