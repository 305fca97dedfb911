//! What is said of a request that is wrong.

use super::{Text, text};
use crate::domain::money::CENTS_MAX;
use crate::domain::purchase::place::{LINES_MAX, WrongBasket};
use crate::http::extract::fault::Fault;

/// Sent as something else than a form or JSON.
const FORM_OR_JSON: Text = text(
    "请求格式须为 application/x-www-form-urlencoded 或 application/json。",
    "Send application/x-www-form-urlencoded or application/json.",
);
/// Sent as something else than JSON.
pub const JSON: Text = text("请求格式须为 application/json。", "Send application/json.");

/// What is wrong, and with which field.
pub fn fault(fault: &Fault) -> Text<String> {
    match fault {
        Fault::MediaType => FORM_OR_JSON.owned(),
        Fault::TooLarge(most) => Text {
            zh: format!("请求内容过大，最多 {most} 字节。"),
            en: format!("The body is too large: at most {most} bytes."),
        },
        Fault::Incomplete => text(
            "请求内容不完整或接收超时。",
            "The body did not arrive whole and in time.",
        )
        .owned(),
        Fault::BrokenPercent => text(
            "表单中的百分号编码不正确。",
            "The form has a broken percent-encoding.",
        )
        .owned(),
        Fault::NotUtf8 => {
            text("请求内容不是有效的 UTF-8。", "The body is not valid UTF-8.").owned()
        }
        Fault::BrokenJson(why) => Text {
            zh: format!("请求内容不是有效的 JSON 对象：{why}。"),
            en: format!("The body is not a valid JSON object: {why}."),
        },
        Fault::Missing(field) => Text {
            zh: format!("缺少字段 {field}。"),
            en: format!("The field {field} is missing."),
        },
        Fault::Repeated(field) => Text {
            zh: format!("字段 {field} 重复。"),
            en: format!("The field {field} is repeated."),
        },
        Fault::WrongType(field) => Text {
            zh: format!("字段 {field} 的类型不正确。"),
            en: format!("The field {field} has the wrong type."),
        },
        Fault::Username => name_of("username"),
        Fault::RequestId => name_of("request_id"),
        Fault::Goods => text(
            "字段 goods 不是有效的抢购编号。",
            "The field goods is not a valid sale id.",
        )
        .owned(),
        Fault::Purchase => text(
            "对不起，请选择正确的抢购数量！",
            "Sorry, please choose a valid quantity!",
        )
        .owned(),
        Fault::Amount => Text {
            zh: format!("对不起，投标金额须为 1–{CENTS_MAX} 的整数（单位：分）。"),
            en: format!("Sorry, the amount must be a whole number of cents from 1 to {CENTS_MAX}."),
        },
    }
}

/// The rule of names that clients choose.
fn name_of(field: &str) -> Text<String> {
    Text {
        zh: format!("字段 {field} 须为 1–128 字节的 UTF-8，且不含控制字符。"),
        en: format!(
            "The field {field} must be 1 to 128 bytes of UTF-8 without control characters."
        ),
    }
}

/// The same of one line of a basket, counted from 0.
pub fn in_line(place: usize, wrong: &Fault) -> Text<String> {
    let Text { zh, en } = fault(wrong);
    Text {
        zh: format!("lines[{place}]：{zh}"),
        en: format!("lines[{place}]: {en}"),
    }
}

/// Lines that cannot be one order.
pub fn basket(wrong: WrongBasket) -> Text<String> {
    match wrong {
        WrongBasket::LineCount => Text {
            zh: format!("字段 lines 须有 1–{LINES_MAX} 行。"),
            en: format!("The field lines must have 1 to {LINES_MAX} lines."),
        },
        WrongBasket::SeveralEvents => Text {
            zh: "字段 lines 中的抢购须属于同一活动（编号中“.”之前的部分相同）。".to_owned(),
            en: "The field lines must name sales of one event: the part of their ids before the \
                 dot. Send an order for each event."
                .to_owned(),
        },
    }
}
