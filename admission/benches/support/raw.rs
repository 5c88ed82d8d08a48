//! A Redis asked directly, about itself.

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::{Builder, CustomCommand, Value, config::Config};
use sandbox::Redis;

/// A connection that sends any command.
pub(crate) struct Raw(Client);

impl Raw {
    pub(crate) async fn connect(redis: &Redis) -> Self {
        let config = Config::from_url(&redis.url()).expect("an address");
        let client = Builder::from_config(config).build().expect("a client");
        client.init().await.expect("Redis answers");
        Self(client)
    }

    pub(crate) async fn command(&self, words: &[&str]) -> Value {
        let command = CustomCommand::new(words[0].to_owned(), None::<u16>, false);
        let arguments: Vec<Value> = words[1..].iter().map(|word| Value::from((*word).to_owned())).collect();
        self.0.custom(command, arguments).await.expect("Redis answers")
    }

    /// What a section of `INFO` says behind a name; none when it does not have it.
    pub(crate) async fn info(&self, section: &str, name: &str) -> Option<String> {
        let info = self.command(&["INFO", section]).await.into_string().unwrap_or_default();
        info.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
    }
}
