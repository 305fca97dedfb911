//! Addresses of the pages that replies lead to.

use super::seal::Sealer;
use crate::config::Site;
use crate::domain::ids::{OpenId, OrderId, SaleId};

/// Makes the links of one site. Ids need no escapes in a query.
#[derive(Debug, Clone)]
pub struct Links {
    site: Site,
    sealer: Sealer,
}

impl Links {
    /// Links to this site, with seals where they are needed.
    pub fn new(site: Site, sealer: Sealer) -> Self {
        Self { site, sealer }
    }

    /// The page that binds a student number. Only this user may get this link.
    pub fn bind(&self, user: &OpenId) -> String {
        let (site, seal) = (self.site.as_str(), self.sealer.seal(user));
        format!("{site}/wechat/bind?openid={user}&seal={seal}")
    }

    /// True if [`Links::bind`] gives this user a link with this seal.
    pub fn is_sealed(&self, user: &OpenId, seal: &str) -> bool {
        self.sealer.knows(user, seal)
    }

    /// An activity.
    pub fn activity(&self, sale: &SaleId) -> String {
        format!("{}/wechat/activity?id={sale}", self.site.as_str())
    }

    /// A ticket, for the user who holds it.
    pub fn ticket(&self, user: &OpenId, ticket: &OrderId) -> String {
        let site = self.site.as_str();
        format!("{site}/wechat/ticket?openid={user}&ticket={ticket}")
    }

    /// The help page.
    pub fn help(&self) -> String {
        format!("{}/wechat/help", self.site.as_str())
    }
}
