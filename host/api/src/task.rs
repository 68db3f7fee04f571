//! `/v1/tasks`, and what can be watched of policies: their lines and their load.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::task::{RunTask, TaskInfo, TaskRun, TaskTriggers};
use reeve_model::watch::{LogFilter, PolicyActivity, PolicyLogLine};

use crate::error::ApiError;
use crate::extract::{self, Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;

/// Every task: when it runs, its last run and its next.
#[utoipa::path(
    get,
    path = "/v1/tasks",
    operation_id = "task_list",
    tag = "policies",
    responses((status = OK, body = Vec<TaskInfo>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<TaskInfo>>, ApiError> {
    Ok(Json(state.actions.task_list(&actor)?))
}

/// Runs a task and answers when it has ended.
///
/// A run that failed is an answer too: look at its outcome. The run goes on when the client goes away.
#[utoipa::path(
    post,
    path = "/v1/policies/{policy}/run",
    operation_id = "task_run",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    request_body = RunTask,
    responses((status = OK, body = TaskRun), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn run(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    extract::Json(body): extract::Json<RunTask>,
) -> Result<Json<TaskRun>, ApiError> {
    Ok(Json(state.actions.task_run(&actor, &policy, body.arguments).await?))
}

/// Says when a task runs by itself; takes the place of what was said before.
#[utoipa::path(
    put,
    path = "/v1/policies/{policy}/schedule",
    operation_id = "task_schedule",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    request_body = TaskTriggers,
    responses((status = OK, body = TaskInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn schedule(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    extract::Json(body): extract::Json<TaskTriggers>,
) -> Result<Json<TaskInfo>, ApiError> {
    Ok(Json(state.actions.task_schedule(&actor, &policy, body).await?))
}

/// Lines that a policy wrote, oldest first; the newest thousand since the daemon began are kept.
#[utoipa::path(
    get,
    path = "/v1/policies/{policy}/logs",
    operation_id = "policy_logs",
    tag = "policies",
    params(("policy" = String, Path, description = "Name"), LogFilter),
    responses((status = OK, body = Vec<PolicyLogLine>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn logs(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    Query(filter): Query<LogFilter>,
) -> Result<Json<Vec<PolicyLogLine>>, ApiError> {
    let lines = state.actions.policy_logs(&actor, &policy, filter);
    tokio::select! {
        lines = lines => Ok(Json(lines?)),
        // Nobody who waits for a line holds up the stop of the daemon.
        () = state.stop.cancelled() => Ok(Json(Vec::new())),
    }
}

/// How busy every policy was since it was loaded, in chain order.
#[utoipa::path(
    get,
    path = "/v1/activity",
    operation_id = "policy_activity",
    tag = "policies",
    responses((status = OK, body = Vec<PolicyActivity>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn activity(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<PolicyActivity>>, ApiError> {
    Ok(Json(state.actions.policy_activity(&actor)?))
}
