-- What each function and view is for. The text from `-- API:` on that stands above an object is its comment: the
-- installer reads it there. Applied again after each change of another file: ${content}.

${own_comments}
