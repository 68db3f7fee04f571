//! `reeve node capabilities` (guide 14.16.2).

use serde::Serialize;

use crate::context::Context;
use crate::output::Show;

pub(crate) async fn run(context: &mut Context) -> anyhow::Result<()> {
    let xml = context.client.capabilities().await?;
    context.show(&Document { xml })
}

#[derive(Serialize)]
struct Document {
    xml: String,
}

impl Show for Document {
    const ELEMENT: &'static str = "document";

    fn human(&self) -> String {
        self.xml.trim_end().to_owned()
    }
}
