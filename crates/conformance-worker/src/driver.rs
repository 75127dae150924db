//! What the driver promises to the store, beyond what the port suite shows.

mod fixture;
mod limits;
mod migrations;
mod reads;
mod values;
mod writes;

use futures_util::future::BoxFuture;
use portway_conformance::Failure;

use crate::backend::D1;

/// What every case answers.
type Outcome<T = ()> = Result<T, Failure>;

/// One promise of the driver.
pub(crate) struct Case {
    /// Concern and promise.
    pub(crate) name: &'static str,
    /// Checks the promise.
    pub(crate) run: fn(D1) -> BoxFuture<'static, Outcome>,
}

macro_rules! list {
    ($($module:ident: [$($case:ident),* $(,)?])*) => {
        vec![$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            run: |backend| Box::pin($module::$case(backend)),
        },)*)*]
    };
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    list! {
        values: [
            whole_numbers_come_back_as_integers,
            fractions_come_back_exactly,
            text_comes_back_to_the_letter,
            bytes_come_back,
            missing_values_of_every_type_come_back,
            bound_numbers_are_floats_until_they_are_cast,
        ]
        reads: [
            results_come_in_the_order_of_the_statements,
            columns_keep_their_order_and_names,
            a_read_cannot_write,
            a_failed_read_says_what_is_wrong,
        ]
        writes: [
            rows_are_reported_step_by_step,
            guards_leave_out_triggers_and_cascades,
            a_guard_that_matches_nothing_undoes_everything,
            a_guard_works_on_returning_and_on_a_query,
            full_text_tables_do_not_hide_that_nothing_matched,
            the_step_of_a_taken_key_is_named,
            the_step_of_a_missing_parent_is_named,
            a_reference_that_may_wait_is_a_conflict_at_the_end,
            a_bad_value_is_rejected_and_bad_sql_is_named,
            transactions_are_refused,
            each_of_many_writers_is_answered,
        ]
        limits: [
            a_hundred_arguments_fit_and_no_more,
            long_text_of_a_statement_is_refused,
            a_value_that_is_too_large_is_rejected,
            numbers_beyond_those_of_javascript_are_rejected,
        ]
        migrations: [
            what_is_pending_runs_once_and_is_entered_in_the_ledger,
            the_schema_of_the_product_applies,
            triggers_and_virtual_tables_apply,
            an_edited_file_a_newer_database_and_a_hole_are_refused,
            a_file_that_fails_leaves_the_ones_before_it,
            dangling_references_are_refused,
            of_many_migrators_each_file_has_one,
            a_probe_knows_the_schema,
        ]
    }
}
