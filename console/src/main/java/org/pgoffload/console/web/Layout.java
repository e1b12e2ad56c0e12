package org.pgoffload.console.web;

import java.util.List;

/// The frame around a page.
///
/// @param title of the page
/// @param role who is signed in, or empty
/// @param token of the session, which every form sends
/// @param entries the navigation
/// @param current the path of the entry that the page belongs to, or empty
/// @param notice what was just done, or empty
/// @param files the addresses of style sheet and scripts
public record Layout(
    String title,
    String role,
    String token,
    List<Page.Entry> entries,
    String current,
    String notice,
    Files files) {}
