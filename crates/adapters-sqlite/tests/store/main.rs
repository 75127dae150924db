//! The store on SQLite where the database itself has to be touched: damaged rows, leftovers, a closed database, backups.
#![cfg(test)]

mod archive;
mod damage;
mod fixture;
mod leftovers;
mod search;
