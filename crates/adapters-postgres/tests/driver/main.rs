//! The driver as repositories see it, on a real server.
#![cfg(test)]

mod breaking;
mod fake_server;
mod fixture;
mod lifecycle;
mod migrations;
mod opening;
mod presence;
mod proxy;
mod pubsub;
mod reads;
#[path = "../scratch/mod.rs"]
mod scratch;
mod server;
mod snapshots;
mod values;
mod writes;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// Tests wait more than they compute.
const THREADS: usize = 4;

/// Each test has a runtime with threads of its own; a panic goes through it and fails the test.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(test);
}

macro_rules! trials {
    ($($module:ident: [$($test:ident),* $(,)?])*) => {
        vec![$($(scratch::trial(concat!(stringify!($module), "::", stringify!($test)), || {
            run($module::$test());
            Ok(())
        }),)*)*]
    };
}

fn main() -> ExitCode {
    let trials: Vec<Trial> = trials! {
        breaking: [
            a_server_that_is_gone_in_a_statement_is_tried_again,
            a_write_that_is_cut_off_before_its_commit_is_tried_again,
            a_write_that_is_cut_off_again_and_again_is_unavailable_and_undone,
            a_connection_that_ends_in_the_commit_leaves_the_outcome_unknown,
            a_commit_without_an_answer_is_unknown_and_there,
            a_single_step_without_an_answer_is_unknown_and_there,
            a_step_without_an_answer_is_tried_again_with_all_others,
            connections_that_were_ended_at_rest_are_replaced,
            dropped_futures_leave_nothing_open_and_nothing_half_done,
            a_server_that_falls_silent_is_given_up,
            statements_that_do_not_fit_any_more_are_prepared_anew,
            a_deadlock_is_nobodys_problem,
            a_lock_that_is_held_too_long_is_unavailable,
            a_statement_that_takes_too_long_is_unavailable,
            without_a_free_connection_the_answer_is_unavailable,
        ]
        lifecycle: [
            a_closed_database_answers_that_it_is_closed,
            closing_finishes_the_writes_that_wait,
            a_closed_database_leaves_no_connection,
            a_probe_wants_the_schema_that_was_migrated,
            a_probe_notices_a_newer_binary_and_a_lock,
            connections_have_a_name_and_limits,
            settings_that_forget_are_told,
        ]
        migrations: [
            what_is_pending_runs_once_and_is_entered_in_the_ledger,
            the_schema_of_the_product_applies,
            an_edited_file_a_newer_database_and_a_hole_are_refused,
            a_file_that_fails_undoes_the_ones_before_it,
            a_file_may_not_commit_by_itself,
            of_many_migrators_one_does_the_work,
            pending_files_are_counted_without_a_ledger_too,
            a_user_who_may_not_make_tables_is_told,
        ]
        opening: [
            nobody_listening_is_told,
            an_unknown_machine_is_told,
            a_missing_database_is_told,
            a_refused_password_is_told_and_not_shown,
            an_old_server_is_told,
            another_server_is_told,
            a_server_that_starts_is_waited_for,
            a_server_without_tls_is_told_where_it_is_demanded,
            a_missing_certificate_is_told,
            a_missing_schema_is_told,
            a_database_of_another_encoding_is_told,
        ]
        presence: [
            the_first_is_alone_until_it_lets_others_in,
            somebody_who_is_gone_is_not_there,
            the_last_is_alone_again,
            a_lost_lock_is_taken_anew,
        ]
        pubsub: [
            who_has_come_is_told_everything,
            a_version_that_nobody_told_is_found,
            an_end_that_nobody_told_is_found,
            a_version_that_a_newcomer_did_not_tell_is_found,
            alone_nothing_is_sent,
        ]
        reads: [
            results_come_in_the_order_of_the_statements,
            all_statements_of_a_read_see_one_snapshot,
            a_read_sees_every_write_that_was_answered,
            a_read_cannot_change_anything,
            a_failed_read_leaves_the_connection_in_order,
            several_statements_are_one_round_trip,
            rows_keep_their_order_and_columns_their_names,
            statements_are_prepared_once_and_their_number_is_bounded,
        ]
        snapshots: [
            a_snapshot_sees_what_there_was_when_it_was_taken,
            a_snapshot_changes_nothing,
        ]
        values: [
            integers_and_booleans,
            floating_point_numbers,
            text,
            documents,
            bytes,
            moments,
            missing_values_of_every_type,
            what_cannot_be_kept_is_refused,
            a_type_that_is_not_understood_is_named,
        ]
        writes: [
            a_write_reports_rows_step_by_step,
            a_guard_that_matches_nothing_undoes_everything,
            a_guard_works_on_returning_and_on_a_query,
            a_taken_key_or_missing_parent_is_a_conflict,
            a_reference_that_is_checked_at_the_commit_is_a_conflict,
            a_bad_value_is_rejected_and_bad_sql_is_named,
            nothing_to_do_is_committed,
            of_many_writers_of_one_version_exactly_one_wins,
            what_is_answered_as_committed_is_there_and_nothing_else,
            errors_show_no_values,
        ]
    };
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    libtest_mimic::run(&arguments, trials).exit_code()
}
