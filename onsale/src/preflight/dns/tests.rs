use super::*;

const ID: [u8; 2] = [0xab, 0xcd];

/// An answer to the question for `example.com` with these flags and texts, the name of each pointing at the question's.
fn answer(flags: u16, texts: &[&[&str]]) -> Vec<u8> {
    let question = question(ID, "example.com").unwrap();
    let mut bytes = question.clone();
    bytes[2..4].copy_from_slice(&(RESPONSE | flags).to_be_bytes());
    bytes[6..8].copy_from_slice(&u16::try_from(texts.len()).unwrap().to_be_bytes());
    for parts in texts {
        let data: Vec<u8> =
            parts.iter().flat_map(|part| [&[u8::try_from(part.len()).unwrap()], part.as_bytes()].concat()).collect();
        bytes.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

fn read_answer(bytes: &[u8]) -> Result<Answer, DnsError> {
    read(&question(ID, "example.com").unwrap(), bytes)
}

#[test]
fn texts_are_put_together_from_their_parts() {
    let bytes = answer(0, &[&["v=spf1 ", "-all"], &["other"]]);
    assert_eq!(read_answer(&bytes).unwrap(), Answer::Texts(vec!["v=spf1 -all".to_owned(), "other".to_owned()]));
    assert_eq!(read_answer(&answer(NO_SUCH_NAME, &[])).unwrap(), Answer::Texts(vec![]));
    assert_eq!(read_answer(&answer(TRUNCATED, &[])).unwrap(), Answer::Truncated);
    assert!(matches!(read_answer(&answer(2, &[])), Err(DnsError::Refused(2))));
}

#[test]
fn what_is_cut_or_of_another_question_is_no_answer() {
    let whole = answer(0, &[&["v=spf1 -all"]]);
    for length in 0..whole.len() {
        assert!(read_answer(&whole[..length]).is_err(), "{length}");
    }
    let (mut other_id, mut other_name, mut no_response) = (whole.clone(), whole.clone(), whole.clone());
    (other_id[0], other_name[13], no_response[2]) = (0, b'E' ^ 1, 0);
    for wrong in [other_id, other_name, no_response] {
        assert!(matches!(read_answer(&wrong), Err(DnsError::Unreadable)));
    }
}

#[test]
fn only_names_are_asked_for_and_of_the_servers_of_the_machine() {
    for name in ["", "a..b", "bücher.example", &"x".repeat(64), &"abc.".repeat(70)] {
        assert!(matches!(question(ID, name), Err(DnsError::BadName(_))), "{name}");
    }
    let named = servers_of("# one\nnameserver 10.0.0.2\noptions x\n nameserver ::1 \nnameserver nobody\n");
    assert_eq!(named, ["10.0.0.2:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
}
