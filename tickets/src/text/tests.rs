use super::*;

const WIDE: f32 = 10.0;

fn plain(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|line| line.runs.iter().map(|run| run.text.as_str()).collect::<String>().trim().to_owned())
        .collect()
}

fn widths(lines: &[Line]) -> Vec<f32> {
    // A space at the end of a line takes no place that anybody sees.
    lines.iter().map(|line| line.runs.iter().map(|run| run.width).sum::<f32>() - 0.3).collect()
}

#[test]
fn lines_end_where_words_do_and_fit() {
    let text = "The quick brown fox jumps over the lazy dog and is never seen again";
    let lines = lines(text, Weight::Regular, WIDE, 20);
    assert!(lines.len() > 2);
    assert!(widths(&lines).iter().all(|width| *width <= WIDE), "{:?}", widths(&lines));
    assert_eq!(plain(&lines).join(" "), text);
}

#[test]
fn a_word_without_an_end_is_cut_and_loses_nothing() {
    for text in ["x".repeat(200), "山".repeat(200), "محمد".repeat(50), "म".repeat(200)] {
        let lines = lines(&text, Weight::Regular, WIDE, 100);
        assert!(widths(&lines).iter().all(|width| *width <= WIDE), "{text}: {:?}", widths(&lines));
        assert_eq!(plain(&lines).concat(), text);
    }
}

#[test]
fn what_does_not_fit_ends_in_an_ellipsis() {
    let lines = lines(&"endless ".repeat(50), Weight::Bold, WIDE, 3);
    assert_eq!(lines.len(), 3);
    assert!(plain(&lines)[2].ends_with('…'));
    assert!(widths(&lines).iter().all(|width| *width <= WIDE));
    let exact = super::lines("one\ntwo\nthree", Weight::Regular, WIDE, 3);
    assert_eq!(plain(&exact), ["one", "two", "three"]);
    let over = super::lines("one\ntwo\nthree\nfour", Weight::Regular, WIDE, 3);
    assert_eq!(plain(&over), ["one", "two", "three…"]);
}

#[test]
fn letters_from_right_to_left_are_drawn_from_the_left_in_visual_order() {
    let lines = lines("שרה Cohen", Weight::Regular, WIDE, 1);
    let runs: Vec<_> = lines[0].runs.iter().map(|run| run.text.trim()).filter(|text| !text.is_empty()).collect();
    assert_eq!(runs, ["Cohen", "שרה"], "the paragraph is Hebrew's");
    let hebrew = lines[0].runs.iter().find(|run| run.text.contains('ש')).expect("a run");
    let starts: Vec<_> = hebrew.glyphs.iter().map(|glyph| glyph.text_range.start).collect();
    assert!(starts.is_sorted_by(|a, b| a >= b), "{starts:?}");
}

#[test]
fn every_glyph_knows_its_letters() {
    for text in ["office", "محمد علي", "प्रिया", "สมชาย ใจดี", "김철수"] {
        for line in lines(text, Weight::Regular, WIDE, 3) {
            for run in line.runs {
                let mut covered: Vec<_> = run.glyphs.iter().map(|glyph| glyph.text_range.clone()).collect();
                covered.sort_by_key(|range| (range.start, range.end));
                covered.dedup();
                assert_eq!(covered.first().map(|range| range.start), Some(0), "{text}");
                assert!(covered.windows(2).all(|pair| pair[0].end == pair[1].start), "{text}: {covered:?}");
                assert_eq!(covered.last().map(|range| range.end), Some(run.text.len()), "{text}");
                assert!(run.glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0), "{text}");
            }
        }
    }
}

#[test]
fn nothing_is_no_line() {
    assert!(lines(" \n ", Weight::Regular, WIDE, 3).is_empty());
}
