//! The scripts: one Lua file each, joined with the library parts that it uses, called by hash.

use std::sync::LazyLock;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, ToRedisArgs, Value};

use super::connection::failure;
use crate::domain::sale::history::Past;
use crate::domain::time::EpochMs;
use crate::failure::{Failure, Result};

/// One transition of the store, as Redis runs it.
#[derive(Debug)]
pub struct Script {
    /// Name of the file in `lua/`.
    pub name: &'static str,
    /// Everything that Redis is given to run.
    pub source: &'static str,
    /// Whether its last argument is a deadline, as `lua/lib/deadline.lua` takes it.
    pub has_deadline: bool,
    hash: String,
}

/// Joins the `#!lua` line, the library parts and the script, at compile time.
macro_rules! script {
    ($name:literal, flags: $flags:literal, uses: [$($part:literal),*]) => {
        LazyLock::new(|| {
            let source = concat!(
                "#!lua", $flags, "\n",
                $(include_str!(concat!("../../lua/lib/", $part, ".lua")), "\n",)*
                include_str!(concat!("../../lua/", $name, ".lua")),
            );
            let parts: &[&str] = &[$($part),*];
            Script::new($name, source, parts.contains(&"deadline"))
        })
    };
}

/// Asks which commands the user may not run.
pub static COMMANDS_CHECK: LazyLock<Script> =
    script!("commands_check", flags: " flags=no-writes", uses: []);

/// Moves an entry of a feed to the dead letters.
pub static FEED_BURY: LazyLock<Script> = script!("feed_bury", flags: " flags=allow-oom", uses: []);
/// Reads how far a consumer group is behind.
pub static FEED_LAG: LazyLock<Script> =
    script!("feed_lag", flags: " flags=no-writes", uses: ["clock", "number", "groups"]);
/// Takes a consumer out of a group.
pub static FEED_LEAVE: LazyLock<Script> =
    script!("feed_leave", flags: " flags=allow-oom", uses: ["groups"]);
/// Drops the entries of a feed that every consumer group has settled.
pub static FEED_TRIM: LazyLock<Script> =
    script!("feed_trim", flags: " flags=allow-oom", uses: ["number", "groups"]);
/// Decides a batch of attempts.
pub static SALE_GRAB: LazyLock<Script> = script!(
    "sale_grab",
    flags: "",
    uses: ["clock", "deadline", "number", "stock", "history", "window", "gone", "record", "feed",
        "sale", "attempts"]
);
/// Decides a placement.
pub static ORDER_PLACE: LazyLock<Script> = script!(
    "order_place",
    flags: "",
    uses: ["clock", "deadline", "number", "stock", "history", "window", "gone", "record", "order",
        "feed", "sale", "basket", "request"]
);
/// Decides a bid.
pub static BID_PLACE: LazyLock<Script> = script!(
    "bid_place",
    flags: "",
    uses: ["clock", "deadline", "number", "stock", "history", "window", "order", "feed", "account",
        "bid", "request"]
);
/// Creates or changes a sale.
pub static SALE_PUT: LazyLock<Script> = script!(
    "sale_put",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "history", "renewal", "terms"]
);
/// Sells again after a loss.
pub static SALE_RESUME: LazyLock<Script> = script!(
    "sale_resume",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "history", "renewal"]
);
/// Reads a sale in one instant.
pub static SALE_SNAPSHOT: LazyLock<Script> =
    script!("sale_snapshot", flags: " flags=no-writes", uses: ["clock", "number", "stock"]);
/// Stops sales that are to be reset or deleted.
pub static CLEAR_BEGIN: LazyLock<Script> = script!(
    "clear_begin",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "groups", "clear"]
);
/// Lets sales go on that were not reset or deleted after all.
pub static CLEAR_UNDO: LazyLock<Script> = script!(
    "clear_undo", flags: " flags=allow-oom", uses: ["clock", "deadline", "number", "clear"]
);
/// Drops orders of sales that are being reset or deleted.
pub static CLEAR_ORDERS: LazyLock<Script> = script!(
    "clear_orders",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "stock", "order", "drop"]
);
/// Gives a sale without orders a new beginning.
pub static SALE_RESET: LazyLock<Script> = script!(
    "sale_reset",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "stock", "history", "renewal", "clear"]
);
/// Deletes a sale without orders.
pub static SALE_DELETE: LazyLock<Script> = script!(
    "sale_delete",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "history", "renewal", "clear"]
);
/// Keeps sales from being created in an event that is about to be deleted.
pub static EVENT_CLOSE: LazyLock<Script> =
    script!("event_close", flags: " flags=allow-oom", uses: ["clock", "deadline"]);
/// Deletes everything of an event.
pub static EVENT_DELETE: LazyLock<Script> = script!(
    "event_delete",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "history", "renewal", "groups", "clear"]
);
/// Closes an event for good that is to be archived.
pub static ARCHIVE_BEGIN: LazyLock<Script> = script!(
    "archive_begin",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "groups", "clear"]
);
/// Drops exported entries of the feed or of its dead letters.
pub static ARCHIVE_ENTRIES: LazyLock<Script> =
    script!("archive_entries", flags: " flags=allow-oom", uses: ["clock", "deadline", "groups"]);
/// Drops exported dead orders.
pub static ARCHIVE_ORDERS: LazyLock<Script> = script!(
    "archive_orders",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "order", "drop"]
);
/// Drops exported requests or payments.
pub static ARCHIVE_FIELDS: LazyLock<Script> =
    script!("archive_fields", flags: " flags=allow-oom", uses: ["clock", "deadline"]);
/// Takes names of persons out of what stays.
pub static ARCHIVE_ERASE: LazyLock<Script> = script!(
    "archive_erase", flags: " flags=allow-oom", uses: ["clock", "deadline", "number", "order"]
);
/// Takes entries out of a feed.
pub static FEED_DROP: LazyLock<Script> = script!(
    "feed_drop", flags: " flags=allow-oom", uses: ["clock", "deadline", "number", "groups"]
);
/// Adds units to a stock.
pub static STOCK_ADD: LazyLock<Script> =
    script!("stock_add", flags: "", uses: ["clock", "deadline", "number", "stock"]);
/// Takes unsold units out of a stock.
pub static STOCK_REMOVE: LazyLock<Script> = script!(
    "stock_remove", flags: " flags=allow-oom", uses: ["clock", "deadline", "number", "stock"]
);
/// Writes something, so that replicas can be waited for.
pub static WAIT_MARK: LazyLock<Script> =
    script!("wait_mark", flags: " flags=allow-oom", uses: ["clock", "number"]);
/// Records how many replicas a master has had.
pub static PEAK_RECORD: LazyLock<Script> =
    script!("peak_record", flags: " flags=allow-oom", uses: ["number"]);

/// Sells a held order.
pub static ORDER_CONFIRM: LazyLock<Script> = script!(
    "order_confirm",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "stock", "gone", "order", "feed", "deaths", "change"]
);
/// Gives an order back.
pub static ORDER_CANCEL: LazyLock<Script> = script!(
    "order_cancel",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "stock", "gone", "order", "feed", "deaths", "change"]
);
/// Takes a bid back.
pub static BID_CANCEL: LazyLock<Script> = script!(
    "bid_cancel",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "stock", "gone", "order", "feed", "account", "deaths",
        "change"]
);
/// Marks an order as handed out.
pub static ORDER_USE: LazyLock<Script> = script!(
    "order_use",
    flags: " flags=allow-oom",
    uses: ["clock", "deadline", "number", "stock", "gone", "order", "feed", "deaths", "change"]
);
/// Gives back what nobody confirmed in time.
pub static ORDER_EXPIRE: LazyLock<Script> = script!(
    "order_expire",
    flags: " flags=allow-oom",
    uses: ["clock", "number", "stock", "gone", "order", "feed", "deaths", "change"]
);

/// Sets balances.
pub static ACCOUNT_SET: LazyLock<Script> =
    script!("account_set", flags: "", uses: ["clock", "deadline", "number"]);
/// Sets a balance that is the one that was seen.
pub static ACCOUNT_SET_IF: LazyLock<Script> =
    script!("account_set_if", flags: "", uses: ["clock", "deadline", "number", "account"]);
/// Pays into an account or out of it.
pub static ACCOUNT_PAY: LazyLock<Script> =
    script!("account_pay", flags: "", uses: ["clock", "deadline", "number", "account"]);

/// Binds an openid and a student number to each other.
pub static NUMBER_BIND: LazyLock<Script> =
    script!("number_bind", flags: "", uses: ["clock", "deadline"]);
/// Frees an openid and its student number from each other.
pub static NUMBER_UNBIND: LazyLock<Script> =
    script!("number_unbind", flags: " flags=allow-oom", uses: ["clock", "deadline"]);
/// Decides who answers a message.
pub static REPLY_CLAIM: LazyLock<Script> = script!(
    "reply_claim", flags: " flags=allow-oom", uses: ["clock", "deadline", "number", "claim"]
);
/// Notes what is about to be done for a message.
pub static REPLY_NOTE: LazyLock<Script> = script!(
    "reply_note", flags: " flags=allow-oom", uses: ["clock", "deadline", "number", "claim"]
);
/// Remembers the reply to a message.
pub static REPLY_KEEP: LazyLock<Script> = script!(
    "reply_keep", flags: " flags=allow-oom", uses: ["clock", "deadline", "number", "claim"]
);
/// Gives up the claim of a message.
pub static REPLY_RELEASE: LazyLock<Script> = script!(
    "reply_release", flags: " flags=allow-oom", uses: ["clock", "deadline", "number", "claim"]
);

impl Script {
    fn new(name: &'static str, source: &'static str, has_deadline: bool) -> Self {
        let hash = redis::Script::new(source).get_hash().to_owned();
        Self {
            name,
            source,
            hash,
            has_deadline,
        }
    }

    /// Starts a call with its keys; arguments follow with [`Call::arg`].
    pub fn on(&self, keys: &[String]) -> Call<'_> {
        let mut command = Cmd::new();
        command
            .arg("EVALSHA")
            .arg(&self.hash)
            .arg(keys.len())
            .arg(keys);
        Call {
            script: self,
            command,
            start_by: None,
        }
    }
}

/// A call of a script that can be sent.
pub struct Call<'a> {
    script: &'a Script,
    command: Cmd,
    start_by: Option<EpochMs>,
}

impl Call<'_> {
    /// The script that is called.
    pub fn name(&self) -> &'static str {
        self.script.name
    }

    /// Adds one argument, or several from a slice.
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds what the caller saw acknowledged of a sale: three arguments, as `lua/lib/history.lua`
    /// takes them.
    pub fn past(self, past: Option<&Past>) -> Self {
        match past {
            None => self.arg("").arg(0).arg(0),
            Some(Past { history, grants }) => self
                .arg(history.to_string())
                .arg(grants.count)
                .arg(grants.last_at),
        }
    }

    /// Lets the script start until then, by the clock of Redis. Without this, it may start whenever
    /// it comes.
    pub fn start_by(mut self, deadline: EpochMs) -> Self {
        self.start_by = Some(deadline);
        self
    }

    /// Sends the call once. When Redis does not know the script (a restart or a flush), nothing
    /// has run yet: the script is loaded and the call sent again. Nothing else is ever re-sent.
    ///
    /// # Errors
    /// [`Failure::Busy`] when the call certainly did not run, [`Failure::Unknown`] when it may
    /// have.
    pub async fn send(self, connection: &mut impl ConnectionLike) -> Result<Value> {
        self.run(connection, failure::of_call).await
    }

    /// The same for a script that writes nothing.
    ///
    /// # Errors
    /// [`Failure::Busy`] when there is no answer, [`Failure::Unreadable`] when the script cannot
    /// read what it finds.
    pub async fn look(self, connection: &mut impl ConnectionLike) -> Result<Value> {
        self.run(connection, failure::of_look).await
    }

    async fn run(
        mut self,
        connection: &mut impl ConnectionLike,
        failed: fn(&str, &RedisError) -> Failure,
    ) -> Result<Value> {
        if self.script.has_deadline {
            let deadline = self.start_by.map(|deadline| deadline.to_string());
            self.command.arg(deadline.unwrap_or_default());
        }
        match self.command.query_async(connection).await {
            Err(error) if is_noscript(&error) => self.load(connection).await?,
            reply => return reply.map_err(|e| failed(self.script.name, &e)),
        }
        let reply = self.command.query_async(connection).await;
        reply.map_err(|e| failed(self.script.name, &e))
    }

    async fn load(&self, connection: &mut impl ConnectionLike) -> Result<()> {
        let mut load = redis::cmd("SCRIPT");
        let loaded = load
            .arg("LOAD")
            .arg(self.script.source)
            .query_async(connection);
        loaded
            .await
            .map_err(|e| Failure::Busy(format!("loading {}: {e}", self.script.name)))
    }
}

/// Whether a script says that it started after its deadline, and changed nothing.
pub fn is_late(reply: &Value) -> bool {
    matches!(reply, Value::BulkString(word) if word == b"late")
}

fn is_noscript(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
