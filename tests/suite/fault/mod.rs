//! What happens when a part fails in the middle: nothing is oversold, nothing acknowledged is
//! forgotten, and no answer claims to know what nobody knows.

mod killed;
mod redis_connection;
mod script_cache;
