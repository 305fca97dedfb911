//! The examination of a Redis: everything that decides whether buyers can be served, asked at once
//! on one connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::join;
use tokio::time::timeout;

use super::greeting::Greeting;
use super::permissions::{Forbidden, User};
use super::{ServerFacts, Verified};
use crate::error;
use crate::failure::{Failure, Result};
use crate::store::Store;
use crate::store::connection::connect::ROUND_TRIPS_MAX;
use crate::store::connection::link::Link;
use crate::store::connection::live::{Hello, Live};
use crate::store::keys::Keys;
use crate::store::replicas::Replicas;
use crate::store::script::SALE_GRAB;

/// Examines one Redis, again and again, over a connection of its own. That connection is used even
/// when the answers forbid it to others, so that all that is wrong can be said.
pub struct Examiner {
    link: Link,
    live: Option<Live>,
    patience: Duration,
    replicas: Arc<Replicas>,
}

/// What was found.
pub struct Examination {
    link: Link,
    greeting: Greeting,
    /// What the server says about itself.
    pub facts: ServerFacts,
    /// Whether the script of the doors runs, or why it does not.
    pub scripts: Result<()>,
    replicas: Arc<Replicas>,
}

impl Store {
    /// Someone who can examine this Redis. Connects when it is first used.
    pub fn examiner(&self) -> Examiner {
        Examiner {
            link: self.link.clone(),
            live: None,
            patience: self.timeout,
            replicas: self.replicas.clone(),
        }
    }
}

impl Examiner {
    /// Asks everything at once, and passes on to all connections of the store whether scripts may
    /// be sent.
    ///
    /// # Errors
    /// [`Failure::Busy`] when there is no connection, or no answer within the timeout.
    pub async fn examine(&mut self) -> Result<Examination> {
        let permit = self.link.permit();
        let (mut live, known) = match self.live.take() {
            Some(live) if !live.is_lost() => (live, true),
            _ => (self.link.open(self.patience).await?, false),
        };
        let mut examination = self.ask_in_time(&live).await?;
        if known && examination.greeting.replica(&self.link).is_some() {
            // The address may lead to another server by now.
            permit.depart();
            live = self.link.open(self.patience).await?;
            examination = self.ask_in_time(&live).await?;
        }
        let greeting = &examination.greeting;
        let refusal = greeting.refusal(&self.link);
        let refusal = refusal.or_else(|| greeting.replica(&self.link));
        permit.examined(refusal, greeting.verdict(&self.link).is_ok());
        self.live = Some(live);
        Ok(examination)
    }

    async fn ask_in_time(&self, live: &Live) -> Result<Examination> {
        let late = |_| Failure::Busy(format!("no answer from Redis within {:?}", self.patience));
        let asking = timeout(self.patience * ROUND_TRIPS_MAX, self.ask(live));
        asking.await.map_err(late)
    }

    async fn ask(&self, live: &Live) -> Examination {
        let mut probe = live.clone();
        let (greeting, facts, scripts) = join!(
            Greeting::ask(live, &self.link),
            ServerFacts::read(live),
            sale_grab_probe(&mut probe, self.link.keys()),
        );
        Examination {
            link: self.link.clone(),
            greeting,
            facts,
            scripts,
            replicas: self.replicas.clone(),
        }
    }
}

impl Examination {
    /// Whether buyers can be served as they were promised, and the durability in force.
    /// `keeps_replies`: keys with a TTL are used, too.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verdict(&self, keeps_replies: bool) -> error::Result<Verified> {
        self.greeting.verdict(&self.link)?;
        if let Some(replica) = self.greeting.replica(&self.link) {
            return Err(replica.into());
        }
        self.scripts.clone()?;
        self.facts.keeps_keys(keeps_replies)?;
        self.facts
            .verify(self.replicas.level(), &self.replicas.count())
    }

    /// Version and role, as everybody may know them.
    ///
    /// # Errors
    /// The server did not answer.
    pub fn hello(&self) -> Result<&Hello> {
        self.greeting.hello.as_ref().map_err(Clone::clone)
    }

    /// Why this server is not one whole Redis, if it is a node of a cluster.
    pub fn cluster(&self) -> Option<String> {
        self.greeting.cluster(&self.link)
    }

    /// What the data say of their version; `None` where nothing was written yet.
    ///
    /// # Errors
    /// This program does not know that version, or Redis did not say it.
    pub fn data_version(&self) -> error::Result<Option<String>> {
        self.greeting.data_version()
    }

    /// What the user may not run although something uses it.
    ///
    /// # Errors
    /// Redis did not say it.
    pub fn missing(&self) -> Result<Missing> {
        let waits = self.link.permit().waits();
        let forbidden = self.greeting.forbidden.as_ref().map_err(Clone::clone)?;
        let vital = forbidden.vital(waits);
        let needed = forbidden.only(|user| user.is_needed(waits));
        let optional = forbidden.only(|user| !user.is_needed(waits) && user != User::Replicas);
        let say = |forbidden: Forbidden| {
            let (user, keys) = (self.link.username(), self.link.keys());
            (!forbidden.is_empty()).then(|| Saying {
                sentence: forbidden.sentence(user, keys),
                consequences: forbidden.consequences(),
                mend: forbidden.mend(user, keys),
            })
        };
        Ok(Missing {
            stops_sales: !vital.is_empty(),
            needed: say(needed),
            optional: say(optional),
        })
    }
}

/// What a Redis user may not run.
pub struct Missing {
    /// True when nothing may be changed.
    pub stops_sales: bool,
    /// Commands without which something does not work.
    pub needed: Option<Saying>,
    /// Commands without which everything works, but less is known.
    pub optional: Option<Saying>,
}

/// Commands that are missing, for people.
pub struct Saying {
    /// Who may not run what.
    pub sentence: String,
    /// What does not work.
    pub consequences: String,
    /// The command that mends it.
    pub mend: String,
}

/// Runs the grab script on a sale that cannot exist: it writes nothing, but Redis refuses it when
/// it would refuse a buyer (read-only, full, disk failing).
async fn sale_grab_probe(live: &mut Live, keys: &Keys) -> Result<()> {
    let keys = keys.of_probe();
    let call = SALE_GRAB.on(&keys).arg("~").arg("list").arg(0).past(None);
    let call = call.arg("probe").arg(1).arg("~");
    call.send(live).await?;
    Ok(())
}
