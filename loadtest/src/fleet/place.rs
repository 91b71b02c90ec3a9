//! Where the rooms of a server are: at addresses with a number in them, or in consults that are made for the purpose.

use anyhow::Context as _;
use protocol::track::Role;

use super::endpoint::Endpoint;
use super::stage::Room;
use crate::call::consult;
use crate::call::invite::Invite;

/// What in an address is replaced by the number of the room.
const NUMBER: &str = "{}";

/// Where to publish and where to play.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At any server.
    Urls { whip: String, whip_token: Option<String>, whep: String, whep_token: Option<String> },
    /// At our own gateway, which makes a consult per room for whoever knows its key.
    Consults { api: String, key: String },
}

/// Never prints a proof.
impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.options())
    }
}

impl Place {
    /// Endpoints of so many rooms.
    ///
    /// # Errors
    /// Where an address is none, or a consult is refused.
    pub(crate) async fn rooms(&self, count: usize) -> anyhow::Result<Vec<Room>> {
        let mut rooms = Vec::new();
        for number in 0..count {
            rooms.push(self.room(number).await?);
        }
        Ok(rooms)
    }

    async fn room(&self, number: usize) -> anyhow::Result<Room> {
        match self {
            Self::Urls { whip, whip_token, whep, whep_token } => {
                let endpoint = |url: &str, token: &Option<String>| {
                    Endpoint::new(&url.replace(NUMBER, &number.to_string()), token.clone())
                };
                Ok(Room { publish_at: endpoint(whip, whip_token)?, play_at: endpoint(whep, whep_token)? })
            }
            Self::Consults { api, key } => {
                let links = consult::create_for(api, key, [Role::Device, Role::Observer]).await?;
                let tokens = links.iter().map(|link| {
                    let invite: Invite = link.parse().context("the gateway's link has no token")?;
                    anyhow::Ok(invite.token().to_owned())
                });
                let mut tokens = tokens.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
                let mut endpoint =
                    |path| Endpoint::new(&format!("{}/{path}", api.trim_end_matches('/')), tokens.next());
                Ok(Room { publish_at: endpoint("whip")?, play_at: endpoint("whep")? })
            }
        }
    }

    /// The host and the port that has to listen before anything can begin.
    ///
    /// # Errors
    /// Where an address is none of HTTP.
    pub(crate) fn authority(&self) -> anyhow::Result<(String, u16)> {
        let url = match self {
            Self::Urls { whip, .. } => whip.replace(NUMBER, "0"),
            Self::Consults { api, .. } => api.clone(),
        };
        Ok(Endpoint::new(&url, None)?.authority())
    }

    /// How one says it on a command line; proofs are left out.
    pub(crate) fn options(&self) -> String {
        match self {
            Self::Urls { whip, whep, .. } => format!("--whip {whip} --whep {whep}"),
            Self::Consults { api, .. } => format!("--api {api}"),
        }
    }
}
