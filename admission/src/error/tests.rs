use super::*;

#[test]
fn a_call_that_used_up_its_time_is_told_from_one_that_failed_at_once() {
    let failed = |kind| AdmissionError::from_redis(Error::new(kind, "no answer"));
    assert!(failed(ErrorKind::Timeout).is_timeout());
    assert!(!failed(ErrorKind::IO).is_timeout() && !failed(ErrorKind::Canceled).is_timeout());
    assert!(!AdmissionError::Script("WRONGTYPE".to_owned()).is_timeout() && !AdmissionError::NotLoaded.is_timeout());
}
