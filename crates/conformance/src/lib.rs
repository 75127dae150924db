//! The port suite: one list of cases, run on every adapter.
//!
//! An adapter is right when it passes [`cases`]: each of them is one promise of the documentation of the ports. A host
//! of the suite implements [`Backend`] once per database and runs every case by name on a store of its own:
//!
//! ```
//! # use std::sync::Arc;
//! # use portway_conformance::{Backend, Case, Failure, Fixture};
//! async fn run(case: &Case, backend: Arc<dyn Backend>) -> Result<(), Failure> {
//!     (case.run)(Fixture::open(backend).await?).await
//! }
//! ```
//!
//! The suite needs no runtime, no clock and no threads, so it runs inside WebAssembly hosts as well. A case never
//! panics: it ends in `Ok` or in a [`Failure`] that says what was expected where.

#[macro_use]
mod failure;

mod attachments;
mod backend;
mod change_sets;
mod changes;
mod children;
mod commands;
mod deadlines;
mod diagnosis;
mod durability;
mod engines;
mod extreme_texts;
mod faults;
mod fixture;
mod idempotency;
mod jobs;
mod mcp_sessions;
mod memories;
mod models;
mod nodes;
mod objects;
mod open_message;
mod paging;
mod presence;
mod pubsub;
mod questions;
mod races;
mod rates;
mod samples;
mod search;
mod sequences;
mod sessions;
mod sharing;
mod strangers;
mod tokens;
mod transcript;
mod users;
mod values;
mod workspaces;

use futures_util::future::BoxFuture;

pub use self::backend::{Backend, Task};
pub use self::failure::Failure;
pub use self::fixture::Fixture;
pub use self::objects::{ObjectCase, object_cases};
pub use self::pubsub::{Nodes, PubSubCase, pubsub_cases, topic_of_trial};
pub use self::rates::{RateCase, rate_cases};
pub use self::sequences::random_commands;

/// One promise of the ports.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Concern and promise, such as `users::an_added_user_is_found`.
    pub name: &'static str,
    /// Whether it only makes sense on a backend that can be opened again.
    pub durable: bool,
    /// Checks the promise.
    pub run: fn(Fixture) -> BoxFuture<'static, Result<(), Failure>>,
}

macro_rules! list {
    ($(durable = $durable:literal $module:ident: [$($case:ident),* $(,)?])*) => {
        vec![$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            durable: $durable,
            run: |fixture| Box::pin($module::$case(fixture)),
        },)*)*]
    };
}

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    list! {
        durable = false users: [
            a_store_begins_without_users,
            an_added_user_is_found,
            an_absent_user_is_none,
            a_taken_id_or_address_conflicts,
            a_set_user_has_all_new_fields_and_the_next_version,
            a_set_user_keeps_addresses_unique,
            a_bump_changes_the_version_only,
            a_stale_or_missing_user_conflicts,
        ]
        durable = false tokens: [
            a_token_tells_who_its_user_is,
            an_expired_token_is_answered_with_its_end,
            the_list_shows_api_tokens_newest_first,
            the_list_is_limited,
            tokens_of_one_moment_are_listed_by_id,
            the_list_shows_only_the_callers_tokens,
            a_revoked_token_leaves_the_list,
            a_taken_id_or_hash_conflicts,
            a_token_needs_its_user,
            a_token_is_revoked_once_and_by_its_owner,
            tokens_are_looked_at_together,
        ]
        durable = false strangers: [
            an_unknown_token_sees_nothing,
            a_revoked_token_sees_nothing,
            somebody_elses_session_has_no_role_and_no_contents,
            somebody_elses_sessions_are_in_no_list,
        ]
        durable = false sharing: [
            who_takes_part_sees_the_session,
            another_role_keeps_everything_else,
            who_or_what_does_not_exist_is_not_shared,
            shared_sessions_are_listed_among_ones_own,
            a_list_names_owners_and_participants,
            shared_sessions_are_filtered_by_status,
            links_are_listed_newest_first_and_found_by_token,
            a_link_is_revoked_once_and_in_its_session,
            a_taken_link_conflicts_and_needs_its_session,
            a_link_is_used_until_it_is_used_up_or_expires,
            a_link_lets_in_exactly_as_many_as_it_may,
        ]
        durable = false sessions: [
            an_added_session_is_found,
            a_plain_session_is_found,
            an_absent_session_is_none,
            a_taken_id_conflicts,
            a_session_needs_its_owner,
            the_list_is_newest_first_and_names_the_owner,
            the_list_filters_by_status,
            a_touch_changes_what_it_names,
            a_new_status_clears_the_error,
            a_removed_session_leaves_nothing,
            a_touch_needs_the_session,
            active_sessions_are_counted,
        ]
        durable = false children: [
            children_are_listed_newest_first_and_counted_on_every_page,
            children_are_filtered_by_what_they_are,
            how_a_sandbox_is_reached_is_read_with_its_session,
            only_who_takes_part_sees_children,
            a_child_names_its_parent_and_is_no_active_session_of_its_owner,
            a_family_is_an_owner_and_the_children_that_live,
            the_gateway_reads_messages_of_any_session,
            a_child_is_not_opened_by_a_session_that_ends_at_the_same_time,
        ]
        durable = false paging: [
            every_page_size_gives_every_row_once,
            rows_of_one_moment_are_ordered_by_id,
            new_rows_do_not_disturb_a_reader,
            a_vanished_cursor_row_does_not_matter,
            a_filter_is_kept_from_page_to_page,
            a_page_past_the_end_is_empty,
            the_largest_page_has_a_hundred_rows,
        ]
        durable = false engines: [
            a_new_engine_has_version_one,
            the_state_is_read_back_exactly,
            a_set_engine_has_the_next_version,
            a_stale_or_missing_engine_conflicts,
            engines_with_a_sandbox_are_listed_by_id,
            many_versions_are_read_at_once,
            messages_are_counted,
        ]
        durable = false transcript: [
            messages_come_in_the_order_of_their_places,
            every_field_of_a_message_is_read_back,
            a_range_has_a_beginning_and_a_bound,
            a_message_has_a_place,
            a_taken_id_or_place_conflicts,
            a_removed_message_is_gone_with_its_words,
            sessions_do_not_share_messages,
            a_message_needs_its_session,
            the_newest_audit_entries_come_oldest_first,
            the_audit_log_is_read_page_by_page,
            an_audit_number_is_used_once,
        ]
        durable = false attachments: [
            they_are_read_back_with_their_message,
            transcripts_are_parts_of_their_message,
            a_message_is_found_in_its_session_only,
            somebody_elses_are_not_seen,
            those_of_messages_come_in_the_order_asked_for,
            they_go_with_their_message,
            objects_are_known_while_they_are_attached,
        ]
        durable = false open_message: [
            it_is_rebuilt_after_every_change,
            many_pieces_keep_their_order,
            it_is_read_as_it_stands,
            finishing_folds_it,
            the_next_one_begins_empty,
            an_empty_one_can_be_finished,
            only_the_open_message_is_appended_to,
            only_the_open_message_has_parts_set,
            only_the_open_message_is_finished,
            text_is_appended_once,
            sessions_do_not_share_open_messages,
        ]
        durable = false changes: [
            changes_begin_after_a_place,
            the_open_message_counts_as_changed,
            the_newest_removals_are_remembered,
            a_stretch_is_removed_at_once,
            a_long_stretch_is_told_whole_or_not_at_all,
            a_message_that_came_back_is_told_after_its_removal,
            a_transcript_is_read_from_its_end,
            strangers_are_told_no_changes,
        ]
        durable = false workspaces: [
            a_report_of_the_files_is_all_of_them,
            every_path_and_status_is_read_back,
            what_git_does_not_say_stays,
            they_are_told_to_who_was_away,
            only_who_takes_part_sees_them,
            a_workspace_needs_its_session,
        ]
        durable = false models: [
            a_list_is_read_back_with_its_session,
            a_later_list_replaces_the_one_before,
            the_newest_list_of_a_user_is_that_of_any_session_of_their_own,
            only_those_who_take_part_see_models,
            changed_models_are_told_after_a_place,
            models_need_their_session,
        ]
        durable = false questions: [
            a_question_is_asked_once,
            an_open_question_is_closed_once,
            sessions_do_not_share_questions,
        ]
        durable = false commands: [
            pending_commands_come_in_order_with_the_text_of_prompts,
            collected_prompts_are_one_text,
            a_range_has_a_beginning_and_a_bound,
            commands_taken_over_are_gone,
            generations_do_not_share_commands,
            a_number_is_used_once,
            a_command_needs_its_session,
        ]
        durable = false jobs: [
            every_kind_of_work_is_read_back,
            due_jobs_are_claimed_oldest_first,
            a_claim_is_limited,
            a_lease_keeps_others_away_until_it_ends,
            an_ended_lease_can_be_claimed_again,
            a_completed_job_is_gone,
            a_late_completion_is_refused,
            a_retried_job_comes_back_in_time,
            a_late_retry_is_refused,
            released_leases_can_be_claimed_at_once,
            leases_of_one_node_are_released,
            the_next_job_is_known,
            a_taken_id_conflicts,
        ]
        durable = false nodes: [
            a_node_is_lost_when_its_time_is_over,
            a_job_for_a_node_is_left_to_it_while_it_is_there,
            a_job_for_a_node_that_left_is_anybodys,
            a_forgotten_node_has_no_leases,
            sessions_of_a_node_are_listed_by_id,
        ]
        durable = false presence: [
            sockets_of_other_nodes_that_are_there_count,
            every_socket_counts,
            sockets_are_listed_by_number,
            a_socket_is_added_once_and_removed_once,
        ]
        durable = false deadlines: [
            a_deadline_is_due_from_its_moment_on,
            a_deadline_is_changed_and_cleared,
            due_sessions_come_earliest_first,
            the_earliest_deadline_is_known,
            a_deadline_needs_its_session,
        ]
        durable = false diagnosis: [
            sessions_are_counted_by_status,
            engines_with_a_sandbox_are_read_by_session,
            overdue_sessions_come_with_their_deadlines,
            pending_jobs_tell_what_became_of_them,
        ]
        durable = false idempotency: [
            a_result_is_remembered_until_it_expires,
            keys_belong_to_users,
            a_live_key_is_not_taken_over,
            an_expired_key_is_used_again,
            a_key_needs_its_user,
            a_held_key_is_settled_once,
            the_keys_of_others_are_not_seen,
            expired_keys_are_removed_oldest_first,
        ]
        durable = false mcp_sessions: [
            a_session_is_found_until_it_expires,
            a_session_is_added_once_and_needs_its_user,
            somebody_elses_sessions_are_nowhere,
            every_change_is_read_back,
            a_removed_session_is_gone,
            the_one_that_expires_first_makes_room,
            many_at_once_keep_to_the_limit,
            expired_sessions_are_removed_oldest_first,
        ]
        durable = false search: [
            what_was_said_is_found,
            an_answer_is_found_once_it_is_finished,
            what_the_gateway_says_is_not_found,
            a_refused_set_is_not_found,
            all_words_are_needed_in_any_form_and_order,
            words_of_a_phrase_follow_each_other,
            beginnings_find_words,
            excluded_words_are_not_found,
            case_width_and_accents_do_not_matter,
            scripts_without_spaces_are_found,
            better_fits_come_first,
            equal_fits_come_newest_first,
            a_search_is_limited,
            one_session_can_be_searched,
            somebody_elses_messages_are_not_found,
            others_do_not_change_the_order,
            nothing_is_left_to_be_indexed,
        ]
        durable = false extreme_texts: [
            hostile_queries_and_texts_are_only_words,
            long_texts_are_searched_at_their_beginning,
        ]
        durable = false memories: [
            an_added_memory_is_read_back,
            the_most_relevant_come_first,
            any_word_finds_and_the_best_come_first,
            a_search_keeps_to_category_and_limit,
            a_removed_memory_is_gone,
            use_makes_relevant,
            a_taken_id_or_an_absent_user_conflicts,
            somebody_elses_memories_are_nowhere,
            a_user_has_the_memories_that_the_caller_sees,
            it_is_known_which_go_first,
            many_at_once_keep_to_the_limit,
        ]
        durable = false change_sets: [
            an_empty_set_changes_nothing,
            later_writes_build_on_earlier_ones,
            the_first_failed_guard_is_named,
            a_failed_guard_undoes_every_table,
            a_repeated_set_conflicts_with_its_own_rows,
            changes_that_are_work_are_refused,
            an_engine_of_another_session_is_refused,
        ]
        durable = false races: [
            one_of_two_takes_the_last_place_for_a_session,
            one_of_two_steps_an_engine,
            one_of_many_uses_an_idempotency_key,
            one_of_many_gets_an_address,
            one_of_many_numbers_a_command,
            one_of_many_revokes_a_token,
            one_of_many_completes_a_job,
            each_job_is_claimed_by_one_of_many,
            no_increment_is_lost,
            readers_never_see_half_a_set,
        ]
        durable = false values: [
            text_of_every_kind_is_read_back,
            control_characters_survive_in_documents,
            long_text_is_read_back,
            large_numbers_are_read_back,
            far_away_times_are_read_back,
        ]
        durable = false sequences: [random_commands_end_alike]
        durable = false faults: [
            a_commit_that_is_given_up_is_whole_or_nothing,
            a_commit_that_is_given_up_can_be_repeated,
        ]
        durable = true durability: [
            a_reopened_store_has_everything,
            a_reopened_store_guards_the_same_versions,
        ]
        durable = true faults: [a_commit_that_is_given_up_before_the_end_is_whole_or_nothing]
    }
}
