//! QR codes as SVG, drawn here, so that no ticket is sent to another server.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use crate::domain::ids::OrderId;

/// Smallest side of the drawing, in pixels. Pages scale it.
const SIDE_MIN: u32 = 240;

/// The ticket's number as an `<svg>` element, dark on white, with the margin that scanners need.
pub fn svg(ticket: &OrderId) -> String {
    // A QR code holds a hundred times more than the longest ticket number.
    let code = QrCode::with_error_correction_level(ticket.as_str(), EcLevel::M);
    let drawn = code.map(|code| {
        code.render::<svg::Color<'_>>()
            .min_dimensions(SIDE_MIN, SIDE_MIN)
            .dark_color(svg::Color("#000"))
            .light_color(svg::Color("#fff"))
            .build()
    });
    let drawn = drawn.unwrap_or_default();
    // Without the XML declaration, which is not allowed inside a page.
    let start = drawn.find("<svg").unwrap_or_default();
    drawn[start..].to_owned()
}
