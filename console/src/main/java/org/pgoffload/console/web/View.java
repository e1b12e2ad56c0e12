package org.pgoffload.console.web;

/// What is shown: a template, and what it shows.
///
/// @param template its name, as `requests.jte`
/// @param title of the page
/// @param model the template's parameter `model`
public record View(String template, String title, Object model) {}
