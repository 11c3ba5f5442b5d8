//! What is asked, by who answers it: each request is sorted once, as it comes in, so that nobody meets one that is
//! another's. Knows no answer.

use crate::plan::run::RunId;
use crate::protocol::fault::Fault;
use crate::protocol::request::{
    Call, EndEdit, ExplainJob, GetCrontab, GetInterfaceDescription, ImportJob, ListNext, ListRuns,
    ListVersions, PutCrontab, RemoveCrontab, RemoveJob, Request, RetryJob, RunJob, ShowJob,
    SubmitJob, UndoCrontab, WaitRun,
};

/// What a client asks for.
#[derive(Debug)]
pub enum Asked {
    OfLoop(OfLoop),
    OfDesk(OfDesk),
}

/// What the loop answers, or begins to answer, from memory.
#[derive(Debug)]
pub enum OfLoop {
    Info,
    Description(GetInterfaceDescription),
    Status,
    Jobs,
    Next(ListNext),
    Reload,
    Run(RunJob),
    Explain(ExplainJob),
    Wait(WaitRun),
}

/// What the disk thread alone answers.
#[derive(Debug)]
pub enum OfDesk {
    Queue(OfQueue),
    Question(Question),
    /// The at queue, in a reply of many pieces.
    QueueInPieces,
    Crontab(OfCrontab),
}

/// What is changed in the at queue, and written down before it is answered.
#[derive(Debug)]
pub enum OfQueue {
    Submit(SubmitJob),
    Import(ImportJob),
    Remove(RemoveJob),
    Retry(RetryJob),
}

/// What is read in the store.
#[derive(Debug)]
pub enum Question {
    Runs(ListRuns),
    /// A run that does not go on.
    Run(RunId),
    Queue,
    Job(ShowJob),
}

/// What users do with their crontabs.
#[derive(Debug)]
pub enum OfCrontab {
    Get(GetCrontab),
    EndEdit(EndEdit),
    Put(PutCrontab),
    Remove(RemoveCrontab),
    Versions(ListVersions),
    Undo(UndoCrontab),
}

impl Asked {
    /// What a call asks for, and whom; or why it cannot be understood.
    pub fn of(call: Call) -> Result<Asked, Fault> {
        // Nobody waits for the pieces of a reply that is not sent.
        let in_pieces = call.more && !call.oneway;
        Ok(match call.request? {
            Request::GetInfo(_) => OfLoop::Info.into(),
            Request::GetInterfaceDescription(asked) => OfLoop::Description(asked).into(),
            Request::GetStatus(_) => OfLoop::Status.into(),
            Request::ListJobs(_) => OfLoop::Jobs.into(),
            Request::ListNext(asked) => OfLoop::Next(asked).into(),
            Request::Reload(_) => OfLoop::Reload.into(),
            Request::RunJob(asked) => OfLoop::Run(asked).into(),
            Request::ExplainJob(asked) => OfLoop::Explain(asked).into(),
            Request::WaitRun(asked) => OfLoop::Wait(asked).into(),
            Request::SubmitJob(asked) => OfQueue::Submit(asked).into(),
            Request::ImportJob(asked) => OfQueue::Import(asked).into(),
            Request::RemoveJob(asked) => OfQueue::Remove(asked).into(),
            Request::RetryJob(asked) => OfQueue::Retry(asked).into(),
            Request::ListRuns(asked) => Question::Runs(asked).into(),
            Request::ListQueue(_) if in_pieces => Asked::OfDesk(OfDesk::QueueInPieces),
            Request::ListQueue(_) => Question::Queue.into(),
            Request::ShowJob(asked) => Question::Job(asked).into(),
            Request::GetCrontab(asked) => OfCrontab::Get(asked).into(),
            Request::EndEdit(asked) => OfCrontab::EndEdit(asked).into(),
            Request::PutCrontab(asked) => OfCrontab::Put(asked).into(),
            Request::RemoveCrontab(asked) => OfCrontab::Remove(asked).into(),
            Request::ListVersions(asked) => OfCrontab::Versions(asked).into(),
            Request::UndoCrontab(asked) => OfCrontab::Undo(asked).into(),
        })
    }
}

impl From<OfLoop> for Asked {
    fn from(asked: OfLoop) -> Asked {
        Asked::OfLoop(asked)
    }
}

impl From<OfQueue> for Asked {
    fn from(asked: OfQueue) -> Asked {
        Asked::OfDesk(OfDesk::Queue(asked))
    }
}

impl From<Question> for Asked {
    fn from(question: Question) -> Asked {
        Asked::OfDesk(OfDesk::Question(question))
    }
}

impl From<OfCrontab> for Asked {
    fn from(asked: OfCrontab) -> Asked {
        Asked::OfDesk(OfDesk::Crontab(asked))
    }
}

impl OfCrontab {
    /// Whether a crontab may be another after this.
    pub fn may_change_it(&self) -> bool {
        match self {
            OfCrontab::Put(_) | OfCrontab::Remove(_) | OfCrontab::Undo(_) => true,
            OfCrontab::Get(_) | OfCrontab::EndEdit(_) | OfCrontab::Versions(_) => false,
        }
    }
}
