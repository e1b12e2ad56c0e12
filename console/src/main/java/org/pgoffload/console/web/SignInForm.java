package org.pgoffload.console.web;

/// What the form of the sign-in shows.
///
/// @param role as it was typed
/// @param next where the reader wanted to go
/// @param words why the last attempt was refused, or empty
/// @param hint what to do then
/// @param code the SQLSTATE of it
public record SignInForm(String role, String next, String words, String hint, String code) {}
