//! A server to compare, as one names it on a command line.

use std::process::Command;
use std::str::FromStr;

use crate::fleet::place::Place;
use crate::server_process::ServerProcess;

/// A name, where to publish and play, and which process it is or how it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) process: Process,
}

/// Whose processor time counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Process {
    /// These run already.
    Running(Vec<u32>),
    /// It is started with these words.
    ToStart(Vec<String>),
}

/// The text names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseServerError {
    #[error("{0:?} is not of the form KEY=VALUE")]
    NotAPair(String),
    #[error("{0:?} is none of name, whip, whep, whip-token, whep-token, api, key, pid, start")]
    UnknownKey(String),
    #[error("{0}= is missing")]
    Missing(&'static str),
    #[error("{0:?} is no number of a process")]
    NoPid(String),
}

impl FromStr for Server {
    type Err = ParseServerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pairs, command) = match text.split_once("start=") {
            Some((pairs, command)) => (pairs, command),
            None => (text, ""),
        };
        let (mut name, mut whip, mut whep, mut api, mut key) = (None, None, None, None, None);
        let (mut whip_token, mut whep_token, mut pids) = (None, None, Vec::new());
        for pair in pairs.split_whitespace() {
            let (what, value) =
                pair.split_once('=').ok_or_else(|| ParseServerError::NotAPair(pair.to_owned()))?;
            let place = match what {
                "name" => &mut name,
                "whip" => &mut whip,
                "whep" => &mut whep,
                "whip-token" => &mut whip_token,
                "whep-token" => &mut whep_token,
                "api" => &mut api,
                "key" => &mut key,
                "pid" => {
                    pids.push(value.parse().map_err(|_| ParseServerError::NoPid(value.to_owned()))?);
                    continue;
                }
                _ => return Err(ParseServerError::UnknownKey(what.to_owned())),
            };
            *place = Some(value.to_owned());
        }
        let place = match api {
            Some(api) => Place::Consults { api, key: key.ok_or(ParseServerError::Missing("key"))? },
            None => Place::Urls {
                whip: whip.ok_or(ParseServerError::Missing("whip"))?,
                whip_token,
                whep: whep.ok_or(ParseServerError::Missing("whep"))?,
                whep_token,
            },
        };
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let process = match (command.is_empty(), pids.is_empty()) {
            (true, true) => return Err(ParseServerError::Missing("pid= or start")),
            (true, false) => Process::Running(pids),
            (false, _) => Process::ToStart(command),
        };
        Ok(Self { name: name.ok_or(ParseServerError::Missing("name"))?, place, process })
    }
}

impl Server {
    /// Starts it where that is to be done; gives the processes that count, which end with the first value.
    ///
    /// # Errors
    /// Where it does not start.
    pub(crate) fn start(&self) -> anyhow::Result<(Option<ServerProcess>, Vec<u32>)> {
        let words = match &self.process {
            Process::Running(pids) => return Ok((None, pids.clone())),
            Process::ToStart(words) => words,
        };
        let (program, arguments) = words.split_first().ok_or(ParseServerError::Missing("start"))?;
        let (host, port) = self.place.authority()?;
        let process = ServerProcess::start(Command::new(program).args(arguments), None, (&host, port))?;
        let pid = process.pid();
        Ok((Some(process), vec![pid]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_by_example() {
        let floor: Server =
            "name=floor whip=http://a/whip/{} whep=http://a/whep/{} start=loadtest forwarder --gso"
                .parse()
                .expect("a server");
        let whip = "http://a/whip/{}".to_owned();
        let whep = "http://a/whep/{}".to_owned();
        assert_eq!(floor.place, Place::Urls { whip, whip_token: None, whep, whep_token: None });
        let words = ["loadtest", "forwarder", "--gso"].map(str::to_owned);
        assert_eq!((floor.name.as_str(), floor.process), ("floor", Process::ToStart(words.into())));
        let ours: Server = "name=ours api=http://b key=k pid=7 pid=8".parse().expect("a server");
        assert_eq!(ours.place, Place::Consults { api: "http://b".to_owned(), key: "k".to_owned() });
        assert_eq!(ours.process, Process::Running(vec![7, 8]));
        assert!(!format!("{ours:?}").contains("key"), "the key is not printed");
    }

    #[test]
    fn what_names_no_server_is_refused() {
        let table = [
            ("whip=a whep=b pid=1", ParseServerError::Missing("name")),
            ("name=a whip=b pid=1", ParseServerError::Missing("whep")),
            ("name=a api=b pid=1", ParseServerError::Missing("key")),
            ("name=a whip=b whep=c", ParseServerError::Missing("pid= or start")),
            ("name=a whip=b whep=c pid=x", ParseServerError::NoPid("x".to_owned())),
            ("name=a nose=b", ParseServerError::UnknownKey("nose".to_owned())),
            ("floor", ParseServerError::NotAPair("floor".to_owned())),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<Server>(), Err(error), "{text}");
        }
    }
}
