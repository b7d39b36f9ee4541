//! Rules, tables and `check` over the fixtures, as one test program (linking CEL once).

#[cfg(test)]
mod api_users;
#[cfg(test)]
mod baseline;
#[cfg(test)]
mod bundle;
#[cfg(test)]
mod check;
#[cfg(test)]
mod clean;
#[cfg(test)]
mod config_diff;
#[cfg(test)]
mod config_fix;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod knowledge;
#[cfg(test)]
mod route;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod survey;
#[cfg(test)]
mod unread;
