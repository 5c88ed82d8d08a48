//! What Redis says of itself.

use sandbox::processor;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// What Redis has done since it started.
pub(crate) struct Done {
    info: String,
}

impl Done {
    pub(crate) async fn by(authority: &str) -> Self {
        let mut stream = BufReader::new(TcpStream::connect(authority).await.unwrap());
        stream.write_all(b"INFO everything\r\n").await.unwrap();
        let mut length = String::new();
        stream.read_line(&mut length).await.unwrap();
        let mut info = vec![0; length.trim_start_matches('$').trim_end().parse().unwrap()];
        stream.read_exact(&mut info).await.unwrap();
        Self { info: String::from_utf8(info).unwrap() }
    }

    /// Processor time that it has used, in seconds.
    pub(crate) fn busy_s(&self) -> f64 {
        processor::of(self.after("process_id:").unwrap().parse().unwrap()).as_secs_f64()
    }

    /// How often a command was run, by itself or inside a script.
    pub(crate) fn calls_of(&self, command: &str) -> f64 {
        let stats = self.after(&format!("cmdstat_{command}:calls="));
        stats.map_or(0.0, |stats| stats.split(',').next().unwrap().parse().unwrap())
    }

    fn after(&self, begin: &str) -> Option<&str> {
        self.info.lines().find_map(|line| line.strip_prefix(begin))
    }
}
