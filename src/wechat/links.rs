//! Addresses of the pages that replies lead to.

use crate::config::Site;
use crate::domain::ids::{OpenId, OrderId, SaleId};

/// Makes the links of one site. Ids consist of characters that stand in a query as they are.
#[derive(Debug, Clone)]
pub struct Links(Site);

impl Links {
    /// Links to this site.
    pub fn new(site: Site) -> Self {
        Self(site)
    }

    /// Where a student number is bound.
    pub fn bind(&self, user: &OpenId) -> String {
        format!("{}/wechat/bind?openid={user}", self.0.as_str())
    }

    /// An activity.
    pub fn activity(&self, sale: &SaleId) -> String {
        format!("{}/wechat/activity?id={sale}", self.0.as_str())
    }

    /// A ticket, for the user who holds it.
    pub fn ticket(&self, user: &OpenId, ticket: &OrderId) -> String {
        let site = self.0.as_str();
        format!("{site}/wechat/ticket?openid={user}&ticket={ticket}")
    }

    /// How everything works.
    pub fn help(&self) -> String {
        format!("{}/wechat/help", self.0.as_str())
    }
}
