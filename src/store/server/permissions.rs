//! What the Redis user must be allowed to run: every command of the scripts and of this program,
//! and what does not work without it.
//!
//! A script that meets a forbidden command in the middle is cut in half, so Redis is asked about
//! all of them before a script is sent. `tests/suite/permissions` compares [`COMMANDS`] with
//! `lua/**` and `src/store/**`, so nothing is missing.

use std::fmt::Write;

use redis::Value;

use crate::failure::Result;
use crate::store::connection::live::Live;
use crate::store::decode;
use crate::store::keys::Keys;
use crate::store::script::COMMANDS_CHECK;

/// A command that is used, with as many arguments as it needs; `KEY` is a key of the product.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// The words.
    pub asked: &'static str,
    /// Who uses it.
    pub user: User,
}

/// Who uses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// The scripts in `lua/`, and the way they are loaded.
    Scripts,
    /// Answers that wait for replicas.
    Replicas,
    /// The walk over the key space.
    Walk,
    /// The expirer.
    Expirer,
    /// Gates that learn who holds an order, exports, and deep audits.
    Gates,
    /// Deep audits.
    Audits,
    /// The view of one account.
    Accounts,
    /// The relay.
    Relay,
    /// `seckill backup`.
    Backup,
    /// The check of the durability.
    Durability,
}

impl User {
    /// What does not work while a command of this user is forbidden.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Scripts => "nothing can be sold or changed",
            Self::Replicas => "nothing can be sold or changed at durability replicated",
            Self::Walk => "no hold expires, nothing is delivered, and sales cannot be listed",
            Self::Expirer => "no hold expires",
            Self::Gates => {
                "no gate closes, so the whole crowd reaches Redis, and exports and deep audits fail"
            }
            Self::Audits => "deep audits fail",
            Self::Accounts => "accounts cannot be shown",
            Self::Relay => "nothing is delivered to the order system",
            Self::Backup => "`seckill backup` fails",
            Self::Durability => "the durability of this Redis cannot be verified",
        }
    }

    /// True when nothing may be changed without it. `waits`: answers wait for replicas.
    fn is_vital(self, waits: bool) -> bool {
        match self {
            Self::Scripts => true,
            Self::Replicas => waits,
            _ => false,
        }
    }

    /// True when something that is used every day does not work without it.
    pub fn is_needed(self, waits: bool) -> bool {
        match self {
            Self::Replicas => waits,
            Self::Backup | Self::Durability => false,
            _ => true,
        }
    }
}

const fn scripts(asked: &'static str) -> Command {
    Command {
        asked,
        user: User::Scripts,
    }
}

const fn of(user: User, asked: &'static str) -> Command {
    Command { asked, user }
}

/// Every command, each once. One that scripts use is theirs, whoever else uses it.
pub static COMMANDS: &[Command] = &[
    scripts("DECRBY KEY 1"),
    scripts("DEL KEY"),
    scripts("EVALSHA 0 0"),
    scripts("EXISTS KEY"),
    scripts("GET KEY"),
    scripts("HDEL KEY f"),
    scripts("HEXISTS KEY f"),
    scripts("HGET KEY f"),
    scripts("HGETALL KEY"),
    scripts("HINCRBY KEY f 1"),
    scripts("HLEN KEY"),
    scripts("HMGET KEY f"),
    scripts("HSET KEY f v"),
    scripts("INCR KEY"),
    scripts("INCRBY KEY 1"),
    scripts("LLEN KEY"),
    scripts("LPOP KEY 1"),
    scripts("LPUSH KEY v"),
    scripts("RPOP KEY 1"),
    scripts("RPUSH KEY v"),
    scripts("SCRIPT LOAD s"),
    scripts("SET KEY v"),
    scripts("TIME"),
    scripts("UNLINK KEY"),
    scripts("XACK KEY g 0-1"),
    scripts("XADD KEY 0-* f v"),
    scripts("XDEL KEY 0-1"),
    scripts("XGROUP DELCONSUMER KEY g c"),
    scripts("XGROUP SETID KEY g 0-1"),
    scripts("XINFO GROUPS KEY"),
    scripts("XINFO STREAM KEY"),
    scripts("XLEN KEY"),
    scripts("XPENDING KEY g"),
    scripts("XRANGE KEY - +"),
    scripts("XTRIM KEY MAXLEN 0"),
    scripts("ZADD KEY 1 m"),
    scripts("ZCARD KEY"),
    scripts("ZREM KEY m"),
    of(User::Replicas, "WAIT 0 1"),
    of(User::Walk, "SCAN 0"),
    of(User::Expirer, "ZCOUNT KEY 0 1"),
    of(User::Expirer, "ZRANGE KEY 0 1"),
    of(User::Gates, "HSCAN KEY 0"),
    of(User::Audits, "LRANGE KEY 0 1"),
    of(User::Audits, "ZSCAN KEY 0"),
    of(User::Accounts, "EXEC"),
    of(User::Accounts, "MULTI"),
    of(User::Relay, "XAUTOCLAIM KEY g c 0 0"),
    of(User::Relay, "XCLAIM KEY g c 0 0-1"),
    of(User::Relay, "XGROUP CREATE KEY g 0"),
    of(User::Relay, "XREADGROUP GROUP g c STREAMS KEY >"),
    of(User::Backup, "REPLCONF o v"),
    of(User::Backup, "SYNC"),
    of(User::Durability, "CONFIG GET p"),
    of(User::Durability, "INFO"),
];

/// Commands that have subcommands, which are allowed one by one.
const CONTAINERS: [&str; 4] = ["CONFIG", "SCRIPT", "XGROUP", "XINFO"];

impl Command {
    /// The name as people and access rules write it: `HSET`, `XINFO STREAM`.
    pub fn name(&self) -> &'static str {
        let words = if CONTAINERS.iter().any(|name| self.asked.starts_with(name)) {
            2
        } else {
            1
        };
        let end = self.asked.match_indices(' ').nth(words - 1);
        end.map_or(self.asked, |(end, _)| &self.asked[..end])
    }

    /// The rule that allows it: `+hset`, `+xinfo|stream`.
    pub fn rule(&self) -> String {
        format!("+{}", self.name().to_lowercase().replace(' ', "|"))
    }
}

/// What a Redis user may not run, of what is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forbidden {
    commands: Vec<&'static Command>,
}

impl Forbidden {
    fn those(wanted: impl Fn(&Command) -> bool) -> Self {
        let commands = COMMANDS.iter();
        Self {
            commands: commands.filter(|command| wanted(command)).collect(),
        }
    }

    /// What is missing when the question itself was refused by the access rules, or because its
    /// command was renamed away.
    fn by_refusal(refusal: &str) -> Option<Self> {
        let refusal = refusal.to_lowercase();
        let is_unknown = refusal.contains("unknown command");
        if !is_unknown && !refusal.contains("noperm") {
            return None;
        }
        let name = |name| move |command: &Command| command.name() == name;
        if refusal.contains("'evalsha'") {
            Some(Self::those(name("EVALSHA")))
        } else if refusal.contains("'script") {
            Some(Self::those(name("SCRIPT LOAD")))
        } else if !is_unknown && refusal.contains("key") {
            Some(Self::those(|command| command.asked.contains("KEY")))
        } else {
            None
        }
    }

    /// The commands that are missing, in the order of [`COMMANDS`].
    pub fn commands(&self) -> &[&'static Command] {
        &self.commands
    }

    /// Those without which nothing may be changed. `waits`: answers wait for replicas.
    pub fn vital(&self, waits: bool) -> Self {
        self.only(|user| user.is_vital(waits))
    }

    /// Those that these users lack.
    pub fn only(&self, wanted: impl Fn(User) -> bool) -> Self {
        let commands = self.commands.iter().copied();
        Self {
            commands: commands.filter(|command| wanted(command.user)).collect(),
        }
    }

    /// True when nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// True when no command with a key is allowed: it is the key that is forbidden.
    fn is_the_key(&self) -> bool {
        let on_keys = |command: &&Command| command.asked.contains("KEY");
        let missing = self.commands.iter().copied().filter(on_keys).count();
        missing > 0 && missing == COMMANDS.iter().filter(on_keys).count()
    }

    /// A sentence that names the user and the commands.
    pub fn sentence(&self, username: &str, keys: &Keys) -> String {
        if self.is_the_key() {
            let key = keys.for_commands();
            return format!("the Redis user {username:?} may not use keys like {key}");
        }
        let mut sentence = format!("the Redis user {username:?} may not run ");
        let names: Vec<&str> = self.commands.iter().map(|command| command.name()).collect();
        sentence.push_str(&names.join(", "));
        sentence
    }

    /// What does not work, each thing once.
    pub fn consequences(&self) -> String {
        let mut said: Vec<&str> = Vec::new();
        for command in &self.commands {
            let consequence = command.user.consequence();
            if !said.contains(&consequence) {
                said.push(consequence);
            }
        }
        said.join("; ")
    }

    /// The command that mends it.
    pub fn mend(&self, username: &str, keys: &Keys) -> String {
        let mut mend = format!("ACL SETUSER {username}");
        if self.is_the_key() {
            let _ = write!(mend, " ~{}*", keys.prefix());
            return mend;
        }
        for command in &self.commands {
            let _ = write!(mend, " {}", command.rule());
        }
        mend
    }
}

/// Asks Redis which of the [`COMMANDS`] its user may not run.
///
/// # Errors
/// The question itself was refused, or not answered.
pub async fn commands_check(live: &mut Live, keys: &Keys) -> Result<Forbidden> {
    let key = [keys.for_commands()];
    let asked: Vec<&str> = COMMANDS.iter().map(|command| command.asked).collect();
    let refused = match COMMANDS_CHECK.on(&key).arg(asked).look(live).await {
        Ok(refused) => refused_of(refused)?,
        Err(error) => return Forbidden::by_refusal(&error.to_string()).ok_or(error),
    };
    Ok(Forbidden::those(|command| {
        refused.iter().any(|text| text == command.asked)
    }))
}

fn refused_of(answer: Value) -> Result<Vec<String>> {
    let wrong = |_| decode::unexpected("commands_check", "no list of commands");
    redis::from_redis_value(answer).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(names: &[&str]) -> Forbidden {
        Forbidden::those(|command| names.contains(&command.name()))
    }

    #[test]
    fn a_command_is_named_as_access_rules_name_it() {
        let rules: Vec<String> = COMMANDS.iter().map(Command::rule).collect();
        for rule in [
            "+hset",
            "+xinfo|stream",
            "+config|get",
            "+xreadgroup",
            "+info",
        ] {
            assert!(rules.iter().any(|own| own == rule), "{rule}");
        }
    }

    #[test]
    fn the_sentence_names_user_and_commands() {
        let keys = Keys::new("seckill:");
        let some = forbidden(&["HSET", "ZADD"]);
        assert_eq!(
            some.sentence("shop", &keys),
            "the Redis user \"shop\" may not run HSET, ZADD"
        );
        assert_eq!(some.mend("shop", &keys), "ACL SETUSER shop +hset +zadd");
        let all: Vec<&str> = COMMANDS.iter().map(Command::name).collect();
        let all = forbidden(&all);
        assert!(
            all.sentence("shop", &keys)
                .contains("may not use keys like seckill:{~}:")
        );
        assert_eq!(all.mend("shop", &keys), "ACL SETUSER shop ~seckill:*");
    }

    #[test]
    fn a_question_that_is_refused_says_what_is_missing() {
        let name = |refusal: &str| {
            let forbidden = Forbidden::by_refusal(refusal)?;
            Some(forbidden.commands()[0].name())
        };
        for (refusal, expected) in [
            (
                "NoPerm: this user has no permissions to run the 'evalsha' command",
                Some("EVALSHA"),
            ),
            (
                "NOPERM User shop has no permissions to run the 'script|load' command",
                Some("SCRIPT LOAD"),
            ),
            (
                "unknown command 'EVALSHA', with args beginning with: ",
                Some("EVALSHA"),
            ),
            ("LOADING Redis is loading the dataset in memory", None),
            ("NOPERM something else", None),
        ] {
            assert_eq!(name(refusal), expected, "{refusal}");
        }
        let keys =
            "NOPERM this user has no permissions to access one of the keys used as arguments";
        assert!(Forbidden::by_refusal(keys).expect("keys").is_the_key());
    }

    #[test]
    fn only_what_scripts_and_waits_need_stops_sales() {
        assert!(forbidden(&["SCAN", "INFO", "WAIT"]).vital(false).is_empty());
        assert!(!forbidden(&["WAIT"]).vital(true).is_empty());
        assert!(!forbidden(&["HGETALL"]).vital(false).is_empty());
    }
}
